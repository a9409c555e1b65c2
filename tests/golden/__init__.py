"""Golden results: what every mode of the command line gives on tiny data, kept as small text, so
that two commits can be compared: `python -m tests.golden run OUT [--tree CHECKOUT] [--only TEXT]`
and `python -m tests.golden compare OUT_A OUT_B`.

A tree is driven by its command line alone, so that commits before and after any rebuilding can be
compared. plan.txt says what is run, refusals.txt what must be refused.
"""
