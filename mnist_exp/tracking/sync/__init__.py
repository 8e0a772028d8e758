"""From the journal to MLflow, during a run and after it.

replay    one journal, each event once
readback  what the store has of it then
thread    the replay of a live journal
process   the thread, in the process beside the run
recovery  what a crash or an outage left behind
"""
