# The page of nst_tf. The weights are fetched while the image is built, or mounted at /weights; see docs/app.md.
#   docker build --tag nst_tf .
#   docker run --rm --publish 127.0.0.1:7860:7860 nst_tf
FROM python:3.12-slim

# Sets of `nst-tf weights`; empty to build without a network and to mount a cache of weights at /weights.
ARG WEIGHTS=normalised,decoder,multi-style

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 NST_TF_HOME=/weights
RUN useradd --create-home --uid 10001 nst_tf && install --directory --owner=nst_tf /weights
COPY . /source
RUN pip install --no-cache-dir "/source[app]" && rm -rf /source
USER nst_tf
RUN if [ -n "$WEIGHTS" ]; then nst-tf weights --fetch="$WEIGHTS"; fi

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/health', timeout=4)"]
STOPSIGNAL SIGINT
ENTRYPOINT ["nst-tf", "app", "--host=0.0.0.0", "--no-open"]
