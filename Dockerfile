# factneurons with PyTorch for CPUs:
#   docker build -t factneurons .
#   docker run --rm factneurons ask pocket-gpt2 "The capital of France is ___" Paris
#   docker run --rm -v "$PWD/runs:/home/user/runs" factneurons run pocket-gpt2 "bundled?relation=capital&lang=en" --out runs/capital
FROM python:3.11-slim

RUN useradd --create-home user
WORKDIR /home/user
COPY --chown=user constraints.txt pyproject.toml README.md LICENSE ./source/
COPY --chown=user src ./source/src
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    --constraint source/constraints.txt torch==2.13.0+cpu ./source && rm -rf source
USER user
ENTRYPOINT ["factneurons"]
CMD ["--help"]
