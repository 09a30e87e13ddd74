"""Omniglot 5-way 1-shot, as long as the time allows, and its accuracy on new classes."""

from gpu_checks.correctness import settings
from gpu_checks.session import Skipped, require_result

RECIPE = "omniglot-5w1s-maml"
FULL_LENGTH = 60000  # Finn et al. 2017
TRIAL = 500  # iterations that show the rate
EVALUATION_SECONDS = 30


def train(session, run, iterations, *more):
    command = [session.program("metatape"), "train", "--recipe", RECIPE, "--data",
               session.kit.data, "--device", "cuda", "--out", run, "--json",
               *settings([f"train.iterations={iterations}", "train.checkpoint_every=10000",
                          "train.log_every=500"]), *more]
    finished = session.run(command, session.left() - EVALUATION_SECONDS)
    return require_result(finished, "iterations", "seconds", "accuracy", "state_hash")


def training(session, record):
    if not session.kit.data:
        raise Skipped("no data set (--data)")
    run = session.scratch / "omniglot"
    trial = train(session, run, TRIAL)
    rate = TRIAL / trial["seconds"]
    record |= {"recipe": RECIPE, "full_length": FULL_LENGTH, "trial_iterations_per_s": rate}
    session.save()
    # Three quarters of the time left: the rate of the trial is not that of every moment.
    affordable = TRIAL + int(0.75 * rate * (session.left() - EVALUATION_SECONDS))
    iterations = max(TRIAL, min(FULL_LENGTH, affordable))
    if iterations > TRIAL:
        trained = train(session, run, iterations, "--resume")
        trained["seconds"] += trial["seconds"]
    else:
        trained = trial
    record["train"] = trained
    session.save()
    if iterations < FULL_LENGTH:
        session.unmeasured(f"training at full length, {FULL_LENGTH} iterations",
                           f"{rate:.0f} a second leave time for {iterations}")
    command = [session.program("metatape"), "eval", "--run", run, "--data", session.kit.data,
               "--split", "test", "--tasks", 600, "--device", "cuda", "--json"]
    record["eval"] = require_result(session.run(command), "accuracy", "ci95", "tasks")
