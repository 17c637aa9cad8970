"""The watchdog process: reads beats and progress of all actors, asks the supervisor for restarts by
name.
"""
