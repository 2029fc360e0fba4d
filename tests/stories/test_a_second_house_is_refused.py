"""Two houses on the same data or the same doors would ruin each other; the second says so and ends."""

from tests.kit.house import House


def test_a_second_house_on_the_same_doors_is_refused_with_a_clear_text(house: House):
    done = house.run("up", ok=False)
    assert done.returncode == 2
    assert f"HOMING_HTTP=127.0.0.1:{house.http_port}" in done.stderr
    assert "another program listens" in done.stderr
    assert "Traceback" not in done.stderr
    assert house.is_ready()


def test_a_second_house_on_the_same_data_is_refused_with_a_clear_text(house: House):
    before = dict(house.environ)
    try:
        house.environ |= {"HOMING_HTTP": "127.0.0.1:0", "HOMING_SMTP": "127.0.0.1:0", "HOMING_MX": "127.0.0.1:0"}
        done = house.run("up", ok=False)
    finally:
        house.environ = before
    assert done.returncode == 2
    assert "another `homing up` runs on" in done.stderr
    assert "HOMING_DATA" in done.stderr
    assert "Traceback" not in done.stderr
    assert house.is_ready()
