"""`python -m hunter` is the command line."""

import signal

if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ctrl-C while this imports ends it without a word; then `main` has its own.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from hunter.cli.main import main

    main()
