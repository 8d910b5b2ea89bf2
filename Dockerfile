# The product without its embedded default: Postgres, Redis, Shopify and Mailchimp are what the settings name.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/shopchimp
RUN /opt/shopchimp/bin/pip install --no-cache-dir --require-hashes --requirement requirements/runtime.txt
RUN python -m venv /opt/build
RUN /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.txt
COPY pyproject.toml README.md ./
COPY src src
COPY extensions extensions
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/shopchimp/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /app shopchimp
WORKDIR /app
COPY --from=build /opt/shopchimp /opt/shopchimp
COPY alembic.ini ./
COPY migrations migrations
ENV PATH=/opt/shopchimp/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8000
CMD ["shopchimp", "serve", "--host", "0.0.0.0", "--port", "8000"]
