"""The help pages that are written by hand, for a screen of 30 lines and 80 columns."""

HELP = """\
Usage: mnist-exp VERB [ARGUMENTS]

  Experiments in handwritten-digit recognition: Hydra composes a config from
  YAML, Keras trains the model, MLflow keeps what was measured.

Verbs:
  train [OVERRIDES]     one run; with -m a sweep
  resume RUN            continues a run that was cut off, in the same MLflow run
  evaluate RUN          measures it again; --data: on other or corrupted images
  compare [RUN ...]     a table with intervals and paired tests; --html FILE
  reproduce RUN         runs it again: identical, not distinguishable, different
  predict RUN IMAGE ..  reads the digits in photos and drawings
  demo [RUN]            a drawing pad in the browser
  export RUN            the model, checked, for ONNX Runtime, LiteRT, TensorFlow
  check [FILE]          components of your own: do they keep what runs promise
  promote RUN           its model as champion, unless measurably worse on test
  runs                  the newest runs, one line each
  ui                    the MLflow UI on the right store
  sync                  sends what an outage left behind to MLflow
  completion SHELL      prints tab completion for bash, zsh or fish
  schema [GROUP]        the JSON Schema of the config, for editors

  RUN is a run id or its unique start, a run name, latest, best (by validation
  accuracy) or @champion. `mnist-exp VERB --help` tells more of a verb.

Options:  --version  -h, --help
Exit codes:  0 done  1 it ran and failed  2 the request was wrong
             3, 4 of reproduce  129 SIGHUP  130 Ctrl-C  141 SIGPIPE  143 SIGTERM
Runs are kept where MLFLOW_TRACKING_URI says, else in mlflow.db of this folder.
MNIST is read where MNIST_EXP_DATA says. MNIST_EXP_DEBUG=1 shows tracebacks.
"""

TRAIN_HELP = """\
Usage: mnist-exp train [OVERRIDES] [HYDRA FLAGS]

  Trains a model, measures it on the test images and records it in MLflow.
  Config errors are told before anything runs, all of them at once.

Examples:
  mnist-exp train experiment=fast                a recipe: 99 % in seconds
  mnist-exp train model=mlp optimizer=sgd        other parts
  mnist-exp train training.epochs=3 seed=1       other values
  mnist-exp train -m model=cnn,mlp seed=0,1,2    a sweep: 6 runs, or those left
  mnist-exp train experiment=fast --cfg job      the config, and no run

Overrides:
  GROUP=OPTION  data, augmentation, model, optimizer, schedule, loss, training,
                tracking, experiment (a recipe: accurate, best, drawings,
                fast, seed_baseline, tiny), search (of -m: random, tpe,
                halving), hydra/launcher (of -m: sequential, parallel, ray,
                slurm)
  KEY=VALUE     a value; +KEY=VALUE adds a key, ~KEY takes one away;
                ensemble.members=5 averages five networks to one model

Hydra flags:
  -m            every combination of the values given with commas; done ones
                are skipped; --dry-run only shows the plan. Keys: sweep.name,
                sweep.rerun, sweep.retries, search.trials, search.pruner
  --cfg job     prints the config; --info defaults: where it comes from
  --config-dir  a folder of your own configs, which adds options
  --components  a Python file of your own models, losses and so on
  --config-name, --config-path, --package, --resolve: as in all of Hydra
"""

COMPLETION_HELP = """\
Usage: mnist-exp completion bash|zsh|fish

  Prints the script that teaches a shell to complete mnist-exp: its verbs, the
  names of runs, and after train every config group, option, key and value.

Install it, once:
  bash  echo 'eval "$(mnist-exp completion bash)"' >> ~/.bashrc
  zsh   echo 'eval "$(mnist-exp completion zsh)"' >> ~/.zshrc   (after compinit)
  fish  mnist-exp completion fish > ~/.config/fish/completions/mnist-exp.fish

It works in shells that start afterwards.
"""
