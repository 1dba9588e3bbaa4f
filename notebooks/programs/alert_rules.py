"""Three sets of alert rules for Prometheus: of each alert its expression, and how long it must hold.

PUBLISHED says in our words what two projects publish: metric, labels, threshold and times are theirs.
https://github.com/rabbitmq/cluster-operator, observability/prometheus/rules
https://github.com/samber/awesome-prometheus-alerts, dist/rules/kafka
"""

QUEUE = "rabbitmq_detailed_queue_messages"
ACKED = "rabbitmq_detailed_channel_messages_acked_total"
CHANNELS = "rabbitmq_channel_messages_unroutable"
NODE = "rabbitmq_global_messages_unroutable"
DISK = "rabbitmq_alarms_free_disk_space_watermark"
GROUP = "kafka_consumergroup"
TOPIC = "kafka_topic_partition"

PUBLISHED = {
    "QueueHasNoConsumers": (
        f'{QUEUE} > 0 and on (vhost, queue) rabbitmq_detailed_queue_consumers{{vhost="/"}} == 0',
        "10m",
    ),
    "Unroutable": (
        f"sum(increase({CHANNELS}_dropped_total[5m])) >= 1"
        f" or sum(increase({CHANNELS}_returned_total[5m])) >= 1",
        "0m",
    ),
    "DiskAlarm": (f"max(max_over_time({DISK}[5m])) > 0", "0m"),
    "TopicReplicas": (f"sum by (topic) ({TOPIC}_in_sync_replica) < 3", "0m"),
    "GroupLag": (f"sum by (consumergroup) ({GROUP}_lag) > 50", "1m"),
}

STRICT = {
    "QueueNotEmpty": (f"{QUEUE} > 0", "0m"),
    "Unroutable": (f"{NODE}_dropped_total > 0 or {NODE}_returned_total > 0", "0m"),
    "DiskAlarm": (f"{DISK} > 0", "0m"),
    "OutOfSync": (f"{TOPIC}_in_sync_replica < {TOPIC}_replicas", "0m"),
    "GroupLag": (f"{GROUP}_lag > 0", "0m"),
}

OURS = {
    "QueueStandsStill": (
        f"min_over_time({QUEUE}[5m]) > 0 unless on (vhost, queue) increase({ACKED}[5m]) > 0",
        "5m",
    ),
    "Unroutable": (
        f"increase({NODE}_dropped_total[5m]) > 0 or increase({NODE}_returned_total[5m]) > 0",
        "0m",
    ),
    "DiskAlarm": (f"{DISK} > 0", "1m"),
    "OutOfSync": (f"{TOPIC}_in_sync_replica < {TOPIC}_replicas", "1m"),
    "GroupStandsStill": (
        f"min_over_time({GROUP}_lag[5m]) > 0 and changes({GROUP}_current_offset[5m]) == 0",
        "5m",
    ),
    "Overtaken": (
        f"{GROUP}_current_offset < on (topic, partition) group_left () {TOPIC}_oldest_offset",
        "0m",
    ),
}
