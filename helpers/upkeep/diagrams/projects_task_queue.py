"""The project on a task queue: who hands what to whom."""

from __future__ import annotations

from .drawing import SMALL, Diagram, diagram


@diagram(
    "The task queue",
    "The submitter puts a job for each image into the queue jobs. Four workers take jobs, read the"
    " image, write its thumbnail into a folder, and publish the job to the queue done, which the"
    " progress service counts. A job that can't be done goes to the queue parked, with the reason.",
    height=330,
)
def task_queue(d: Diagram) -> None:
    images = d.paper(66, 56, "images", width=96)
    submit = d.program(66, 160, "submit", width=96)
    jobs = d.queue(152, 160, ["3", "2", "1"], "jobs")
    workers = d.program(348, 160, "worker × 4", width=112, height=70)
    done = d.queue(466, 160, ["5"], "done")
    progress = d.program(580, 160, "progress", width=96)
    parked = d.queue(466, 276, ["?"], "parked")
    thumbnails = d.paper(348, 56, "thumbnails", width=118)
    database = d.database(580, 262, "database", width=104)
    d.arrow(images.bottom, submit.top)
    d.arrow(submit.right, jobs.left)
    d.arrow(jobs.right, workers.left)
    d.arrow(workers.top, thumbnails.bottom)
    d.arrow(images.right, (210, 56), (300, 130))
    d.arrow(workers.right, done.left)
    d.arrow(done.right, progress.left)
    d.arrow(progress.bottom, database.top)
    d.arrow(workers.bottom, (348, 276), parked.left)
    d.text(338, 270, "what can't be done", size=SMALL, anchor="end")
