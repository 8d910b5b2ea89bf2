"""Celery, set up to carry nothing but the word "look" (reliability.md 2.2 has the measurements behind each setting)."""

from __future__ import annotations

import structlog
from celery import Celery

log = structlog.get_logger()

celery_app = Celery("shopchimp")
celery_app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    result_backend=None,
    task_ignore_result=True,
    task_acks_late=False,  # a wake-up is worth nothing; late acks only add the deaf worker and doubles
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=True,  # keeps a pub/sub socket open, which notices a restarted Redis
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 5,
        "visibility_timeout": 120,
    },
    task_publish_retry=False,
    worker_soft_shutdown_timeout=15.0,
    worker_send_task_events=False,
    task_send_sent_event=False,
    worker_hijack_root_logger=False,
    task_default_queue="look",
)
