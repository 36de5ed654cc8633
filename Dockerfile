# lipnet on a CPU, as a user without privileges.
#
#   docker build -t lipnet .
#   docker run --rm -v "$PWD:/videos" lipnet lipnet read /videos/word.mp4 \
#     --weights data/released/grid_release-sn05-tcn1-long-g0.safetensors
#   docker run --rm lipnet make test
#
# pip chooses the build of torch: its default on Linux brings CUDA. To use another build, configure pip
# (PIP_CONFIG_FILE) as PyTorch's installation guide describes.
FROM python:3.11-slim-trixie

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends chromium g++ git make postgresql \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 --shell /bin/bash lipnet \
    && install --directory --owner=lipnet --group=lipnet /home/lipnet/lipnet

USER 1000:1000
WORKDIR /home/lipnet/lipnet
ENV PATH=/home/lipnet/lipnet/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1

COPY --chown=1000:1000 requirements.lock pyproject.toml ./
RUN python -m venv .venv && pip install --no-cache-dir --requirement requirements.lock

COPY --chown=1000:1000 . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && touch .venv/.installed

CMD ["lipnet", "--help"]
