# The service of docs/serve.md on a CPU: no torch, nobody's root, nothing written.
#   docker build -t iqa-service .
#   docker run --read-only -p 127.0.0.1:8000:8000 -v "$PWD/checkpoints:/models:ro" iqa-service --model /models/FILE.onnx
FROM python:3.12-slim
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
COPY requirements-service.txt .
RUN pip install --no-cache-dir -r requirements-service.txt
COPY utils utils
COPY demos demos
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/ready', timeout=4)"]
# Not through a shell, which would keep SIGTERM to itself.
ENTRYPOINT ["python", "demos/service.py", "--host", "0.0.0.0"]
CMD ["--model", "/models/model.onnx"]
