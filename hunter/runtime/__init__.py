"""What every actor process shares: the loop, the beat, the log file."""
