"""A case of the clinic that needs no brokers: what becomes of its verdict, and what it sweeps."""

from typing import Any

from helpers.brokers import marks
from helpers.clinic.patient import Patient
from helpers.clinic.rabbitmq import RabbitMQPatient
from helpers.exercises.answers import Wrong


class Healthy(Patient):
    """Cured as long as it is there."""

    name = "health"
    symptoms = ""
    gone = False
    brokers = None

    def break_it(self):
        pass

    def expect_cured(self):
        if self.gone:
            raise Wrong("gone", "there is nothing to be examined.", "")
        return "all is well."

    def clean_up(self):
        self.gone = True


def test_who_was_cured_stays_so_when_asked_again(capsys):
    patient = Healthy(1)
    patient.discharge(), patient.discharge()
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert "all is well" in second


def test_a_program_that_no_option_was_noted_of_can_be_stopped():
    class Desk:
        stopped = False

        def stop(self):
            self.stopped = True

    patient = Healthy(1)
    patient.programs["shop"] = desk = Desk()
    patient.stop("shop")
    assert desk.stopped
    assert patient._ended == [desk]


class Ward(Healthy, RabbitMQPatient):
    """At a broker that others use too."""

    def __init__(self, vhost: str, others: dict[str, str]) -> None:
        self.vhost, self.others = vhost, others

    def api(self, path: str, method: str = "GET", body: object = None) -> Any:
        if method == "DELETE":
            del self.others[path.removeprefix("/api/vhosts/")]
        return [{"name": name, "description": owner} for name, owner in self.others.items()]


def test_only_what_dead_kernels_of_this_learner_left_is_swept():
    dead, living = "4711:0", marks.identity()
    names = "ada-clinic-a", "ada-clinic-b", "bob-clinic-a", "clinic-a"
    ward = Ward("ada-clinic-c", dict.fromkeys(names, dead))
    ward.others["ada-clinic-b"] = living
    ward._sweep()
    assert set(ward.others) == {"ada-clinic-b", "bob-clinic-a", "clinic-a"}
