"""From a run to its rerun and a verdict: is it the same, and if not, what explains it?

`inputs` compares what the result depends on, then and now; `worktree` runs the code of then;
`verdict` compares two results; and `reproduce` does all of it, as the command does.
"""
