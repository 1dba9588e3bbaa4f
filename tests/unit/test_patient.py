"""A case of the clinic that needs no brokers: what becomes of its verdict."""

from helpers.clinic.patient import Patient
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
