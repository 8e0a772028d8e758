"""Many runs by one command: planned and checked, skipped where they are done, compared at the end.

search/      what is explored, and what to try next
  values       overrides with several values
  space        overrides -> what is explored
  sampling     configs drawn from a space
  trials       of a search, so far
  strategies   trials so far -> what to try next; halving belongs to it
  storage      the trials in Optuna's own storage, for its dashboard
  pruning      inside a job: whether it is cut off
plan         overrides -> the jobs of a grid, or a space; composed and checked
task         a job as it travels to where it runs
results/     what came of the jobs
  result       of one job, in plain values
  records      journal or MLflow's run -> result
  ledger       what the tracking store knows of the sweep
  ranking      results -> configs in order, seeds together
  exploration  which key mattered
  report       the ranking as table, Markdown, CSV and pictures (figures, coordinates)
  wording      the words of it
execute/     the jobs, run
  owner        a command that is at a sweep
  boards       where the claims of the commands stand
  claims       which of the commands has taken what
  division     this command's share of the jobs
  pending      plan and ledger -> the jobs that are to run
  announcement what is going to happen, in words
  preview      the pending jobs of a grid, for --dry-run
  jobs         what a grid and a search have in common
  grid_jobs    a grid as jobs
  search_jobs  a search as jobs
  parent       the sweep's own run in MLflow
  scheduler    jobs -> the free slots of an engine -> results
  engines/     where jobs run: processes, a Ray cluster, batch jobs of submitit
  dispatch     a planned job -> its task
  payload      what a job needs on a machine without the sweep's folder
  slurm        its commands, beside submitit
  worker       one task, in the process that an engine gives it
  launchers    those that may not be installed
  progress     what a person sees meanwhile
sweep        all of it, in order
"""
