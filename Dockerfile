# The command mnist-exp, with what the lock file names:
#
#   docker build -t mnist-exp .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/runs" mnist-exp train experiment=fast
#
# Runs and MNIST stay in the folder that is mounted. The UI: --publish 127.0.0.1:5000:5000 and `ui --host 0.0.0.0`.
FROM python:3.13-slim-trixie

WORKDIR /source
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --no-deps --requirement requirements.lock
COPY LICENSE README.md pyproject.toml ./
COPY conf conf
COPY hydra_plugins hydra_plugins
COPY mnist_exp mnist_exp
RUN pip install --no-cache-dir --no-deps --no-build-isolation . && mkdir --mode 777 /runs

# Whoever --user names has no home in the image.
ENV HOME=/tmp XDG_CACHE_HOME=/runs/.cache
WORKDIR /runs
USER 65534:65534
ENTRYPOINT ["mnist-exp"]
CMD ["--help"]
