"""The market's record in shared memory: one segment per stream process, one writer, any number of
readers.

    segment.py   files mapped into memory: create, attach, unlink; the writer's lease
    rows.py      the kinds of rows, byte by byte
    check.py     the check that closes every row
    layout.py    where everything lies in a segment
    adopt.py     the ring of a former run: taken over, or put aside and made anew
    ordering.py  which processors keep the order of stores by themselves
    lanes.py     a writer's lanes: claim, put, publish; in Python, or compiled
    writer.py    RingWriter: intent -> rows -> head -> arrival head; never waits
    reader.py    LaneReader: copy, then validate; counts what it was lapped by, and what is damaged
    merge.py     MergedReader: one instrument's market in the order the rows came; GroupReader: the
                 same of mates, which share one arrival counter

Nothing here imports numpy: `hunter status` must not pay for it. `rows.numpy_dtype` does it on
request.
"""
