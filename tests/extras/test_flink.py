"""Flink, as the lab on windows runs it: what it refuses, what a kill leaves, and a job that fails."""

import psutil
import pytest

from helpers import clients, fresh, up, wait_until
from helpers.brokers.errors import BrokerError
from tests.cases import needs

pytestmark = [
    pytest.mark.usefixtures("live"),
    needs("flink"),
]


@pytest.fixture(scope="module")
def flink():
    from helpers.extras.flink import Flink

    with Flink() as running:
        yield running


def test_says_what_it_refuses(flink):
    with pytest.raises(RuntimeError, match='Encountered "monday"'):
        flink.sql("CREATE TABLE monday (id INT)")


def test_a_killed_one_comes_back_without_its_tables(flink):
    flink.sql("CREATE TABLE orders (id INT) WITH ('connector' = 'datagen')")
    assert flink.sql("SHOW TABLES") == [["orders"]]
    flink.kill()
    flink.start()
    assert flink.sql("SHOW TABLES") == []


def test_a_table_takes_the_place_of_one_of_that_name(flink):
    for column in ("id", "number"):
        flink.sql(f"CREATE TABLE again ({column} INT) WITH ('connector' = 'datagen')")
    assert flink.sql("SHOW TABLES LIKE 'again'") == [["again"]]
    assert flink.sql("DESCRIBE again")[0][0] == "number"


def test_listens_to_this_machine_only(flink):
    flink.sql("CREATE TABLE numbers (id INT) WITH ('connector' = 'datagen')")
    flink.sql("CREATE TABLE nowhere (id INT) WITH ('connector' = 'blackhole')")
    flink.submit("INSERT INTO nowhere SELECT * FROM numbers").checkpoint()
    found = [one for node in flink.processes() for one in node.net_connections("inet")]
    addresses = {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1"}, addresses
    assert addresses


def test_a_job_that_has_failed_says_why(flink):
    brokers = up("kafka", quiet=True)
    topics = [fresh("orders"), fresh("copies")]
    for topic in topics:
        clients.make_topic(brokers, topic)
        flink.sql(f"""
            CREATE TABLE `{topic}` (id INT) WITH (
                'connector' = 'kafka', 'topic' = '{topic}', 'format' = 'json',
                'properties.bootstrap.servers' = '{brokers.kafka["bootstrap_servers"]}',
                'properties.group.id' = '{topic}', 'scan.startup.mode' = 'earliest-offset')""")
    orders, copies = topics
    clients.send(brokers, orders, ['{"id": 1}', "no JSON"])
    job = flink.submit(f"INSERT INTO `{copies}` SELECT * FROM `{orders}`")

    def ended():
        try:
            return not job.checkpoint()
        except BrokerError as error:  # at first, that it could write no checkpoint
            return "The job has ended" in str(error)

    wait_until(ended, "the job to end", timeout=90)
    assert "no JSON" in flink.log.read_text()
