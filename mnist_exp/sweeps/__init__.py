"""Many runs by one command: planned and checked, skipped where they are done, compared at the end.

search/      what is explored, and what to try next
  values       overrides with several values
  space        overrides -> what is explored
  sampling     configs drawn from a space
  trials       of a search, so far
  strategies   trials so far -> what to try next; halving belongs to it
  pruning      inside a job: whether it is cut off
membership   what a job is told of its sweep
plan         overrides -> the jobs of a grid, or a space; composed and checked
results/     what came of the jobs
  result       of one job, in plain values
  records      journal or MLflow's run -> result
  ledger       what the tracking store knows of the sweep
  ranking      results -> configs in order, seeds together
  exploration  which key mattered
  report       the ranking as table, Markdown, CSV and pictures (figures, coordinates)
  wording      the words of it
execute/     the jobs, run
  claim        one command at a time for each sweep
  pending      plan and ledger -> the jobs that are to run
  preview      the pending jobs of a grid, for --dry-run
  batches      a search as batches of jobs
  parent       the sweep's own run in MLflow
  launches     jobs -> one of Hydra's launchers -> results
  job, worker  one job, in the process that a launcher gives it
  sequential   the worker of the sequential launcher
  launchers    those that may not be installed
  progress     what a person sees meanwhile
sweep        all of it, in order
"""
