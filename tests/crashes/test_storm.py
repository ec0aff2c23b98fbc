"""Everything at once: a provider that fails in many ways, a worker that is killed every few seconds, forty generations.

The seed decides prompts, counts, kills and faults; what must hold in the end does not depend on it.
"""

import random
import time

import pytest

from tests import stand

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1200)]

SEED = 2026
GENERATIONS = 40
KILLS = 6
FAULTS = [
    "429 retry=1 share=0.15", "500 share=0.1", "503 share=0.05", "drop share=0.08", "truncated share=0.08",
    "bad-crc share=0.05", "moderation share=0.03", "hang share=0.04",
]  # fmt: skip


@pytest.fixture(scope="module")
def install(shared_fake, places):
    """Its attempts are short, so that silence is given up within the test."""
    data_dir = places()
    limits = {"attempt_seconds": 6, "generation_seconds": 150}
    with stand.standing(data_dir, shared_fake, stand.catalogue(data_dir, **limits)) as made:
        yield made


def test_forty_generations_through_faults_and_kills(studio):
    chance = random.Random(SEED)
    studio.fake.control(latency=0.8, faults=FAULTS)
    numbers = []
    kills = sorted(chance.sample(range(5, GENERATIONS), KILLS))
    for n in range(GENERATIONS):
        numbers.append(studio.submit(f"Storm {SEED}, picture {n}", count=chance.choice((1, 1, 2, 4))))
        time.sleep(chance.uniform(0.1, 0.9))
        if n in kills:
            studio.kill("worker")
    # The weather clears: what is still open must end by itself.
    studio.fake.control(faults=[])
    rows = studio.ended(*numbers, seconds=600)
    assert {row["state"] for row in rows} <= {"succeeded", "failed"}
    assert sum(row["state"] == "succeeded" for row in rows) >= GENERATIONS / 2
    died = studio.rows(
        "SELECT output_id, count(*) FROM generations_attempt WHERE sender_died GROUP BY 1 HAVING count(*) > 3"
    )
    assert died == []
    assert studio.rows("SELECT id FROM generations_generation WHERE rescues > 4") == []
    studio.prove()
