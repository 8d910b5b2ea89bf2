"""The embedded default: Postgres and Redis from wheels, and all processes of the demo, on one machine."""
