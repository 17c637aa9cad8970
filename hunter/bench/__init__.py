"""What hunter costs and carries on this machine: `hunter bench`.

    frames      messages of the exchange, made before a run, valid for every check hunter makes
    traffic     which message of which instrument comes when
    load        the exchange of a run: a process of its own on loopback, which only sends
    loadclient  the same process as its starter sees it
    instance    a whole instance of hunter in a directory of its own, and what it costs meanwhile
    runs        burst, paced and scale: a load, an instance, figures
    stages      each stage of the data path by itself, over the same bytes
    sustain     the highest rate without loss or growing lag
    comparison  the same load for other libraries (peers/client.py, in environments of their own)
    curves      cost over rate, instruments, ring capacity and readers; picture draws them
    follower    a reader of a measured ring
    figures     percentiles and medians
    machine     what the figures were taken on
    suite       which of these are made, and what they found
    report      all of it for people

Nothing here is imported by anything but the command line. The engine does not know that it is
measured: it is started as a user would start it.
"""
