"""The page, /metrics, /healthz and /readyz: an actor that looks on. An extra: `web`.

guard.py       who may ask: Host, Origin, method, token; pure
gate.py        the guard around the whole application, WebSockets too, and every answer's headers
app.py         what is answered
access_token.py  the token's file
listening.py   the socket, and who has taken it
server.py      uvicorn inside this process's loop
viewers.py     pages that are open, and what each is sent
snapshot.py    the messages that they are sent
market_view.py one instrument's rows as lines for a chart
thinning.py    fewer points, same shape
signal_shelf.py  the newest signals, by instrument
story.py       what has happened: the log of events and the time line
actor.py       all of it as one actor
"""
