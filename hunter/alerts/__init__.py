"""The alerts process: tells people what goes wrong, and that it is over.

    actor.py       looks at the instance, asks the policy, hands over to the sender
    policy.py      which changes are told, when, and what is held back; pure
    wording.py     a message as people and programs read it; pure
    checkpoint.py  the policy's memory and what is not sent yet, over a kill of this process
    sender.py      one thread that sends, tries again, and is never waited for
    channels.py    webhook, Telegram, apprise; where the secrets are
    post.py        one HTTP POST: verified TLS, no redirects, a limit of time

Nothing needs this process: without it all goes on. It can only speak while its supervisor lives; of
an instance that is wholly down `hunter check` tells, asked from outside.
"""
