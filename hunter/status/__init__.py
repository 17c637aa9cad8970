"""The status block: what every actor says of itself, in shared memory, readable when nobody is
alive.

    page.py        one page: beat, counters, a document; sound whenever its writer dies
    block.py       the file of all pages, made by the composition root
    documents.py   what the documents contain
    histogram.py   latencies in fixed memory
    latency.py     those of the data path's stages, in the pages
    changes.py     what has changed between two reports
    report.py      all pages together, in the words of `hunter status`
"""
