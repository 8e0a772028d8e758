"""Many runs by one command: planned and checked, skipped where they are done, compared at the end.

space        overrides -> what is explored
plan         overrides -> the jobs of a grid, or a space; composed and checked
ledger       what the tracking store knows of the sweep
agenda       plan and ledger -> the jobs that are to run
search       trials so far -> what to try next; drawing, halving and trials belong to it
preview      the agenda of a grid, for --dry-run
campaign     a search as batches of jobs
pruning      inside a job: whether it is cut off
launches     jobs -> one of Hydra's launchers -> results
sequence     the worker of the sequential launcher
worker       one job, in the process that a launcher gives it
membership   what a job is told of its sweep
records      journal or MLflow's run -> result
progress     what a person sees meanwhile
ranking      results -> configs in order, seeds together; exploration: which key mattered
report       the ranking as table, Markdown, CSV and pictures, in the words of wording
extras       launchers that may not be installed
parent       the sweep's own run in MLflow
sweep        all of it, in order
"""
