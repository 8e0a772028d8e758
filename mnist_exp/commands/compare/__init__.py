"""From runs to a table that a scientist would print.

`selection` says which runs, `groups` puts the seeds of a config together, `significance` tests each
config against the best, and `comparison` does all of it. `table` shows the comparison as text, and
`page`, with what `details` adds, as a web page.
"""
