"""The microphone's signal is speech enough: level, pauses, pitch, and a voice of its own per seed."""

import numpy as np
import pytest

from synthetic_media import speech
from synthetic_media.encoder import audio_level


def test_speech_has_the_promised_form_and_level() -> None:
    sound = speech(1, 4.0)
    assert sound.dtype == np.float32 and sound.shape == (192_000,)
    assert 20 * np.log10(np.sqrt(np.mean(sound.astype(float) ** 2))) == pytest.approx(-26, abs=0.01)
    assert np.abs(sound).max() < 1


def test_the_same_seed_speaks_the_same_and_another_seed_differently() -> None:
    first = speech(1, 2.0)
    assert np.array_equal(first, speech(1, 2.0))
    other = speech(2, 2.0)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.2


@pytest.mark.parametrize("seed", range(6))
def test_both_ends_are_quiet(seed: int) -> None:
    sound = np.abs(speech(seed, 2.0))
    assert sound[:2800].max() < 0.01 and sound[-2800:].max() < 0.01 < sound.max()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_syllables_and_pauses_alternate(seed: int) -> None:
    levels = np.array([audio_level(part) for part in speech(seed, 10.0).reshape(-1, 960)])
    active = levels < 45
    assert 0.5 < active.mean() < 0.95
    assert (np.diff(active.astype(int)) == 1).sum() >= 5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_vowels_have_a_pitch_and_formants_above_it(seed: int) -> None:
    sound = speech(seed, 4.0).astype(float)
    windows = sound.reshape(-1, 2400)  # 50 ms
    loudest = max(windows, key=lambda part: float(np.sum(part * part)))
    correlation = np.correlate(loudest, loudest, "full")[2399:]
    lags = correlation[150:640]  # 75 to 320 Hz
    assert lags.max() / correlation[0] > 0.4
    power = np.abs(np.fft.rfft(sound)) ** 2
    frequency = np.fft.rfftfreq(len(sound), 1 / 48_000)
    share = power[(frequency > 200) & (frequency < 4000)].sum() / power.sum()
    assert share > 0.5


def test_a_second_of_it_is_found_at_one_place_only() -> None:
    sound = speech(3, 4.0)[::6].astype(float)  # 8 kHz
    window = sound[9000:17000]
    scores = np.correlate(sound, window, "valid")
    energy = np.sqrt(np.convolve(sound**2, np.ones(8000), "valid") * np.sum(window**2))
    scores = scores / energy
    assert int(scores.argmax()) == 9000
    scores[8950:9050] = 0
    assert scores.max() < 0.6


@pytest.mark.parametrize(("amplitude", "level"), [(1.0, 0), (0.1, 20), (0.05, 26), (0.0, 127), (1e-9, 127)])
def test_the_audio_level_is_decibels_below_overload(amplitude: float, level: int) -> None:
    square_wave = np.tile(np.array([amplitude, -amplitude], np.float32), 480)
    assert audio_level(square_wave) == level


def test_what_is_too_short_for_speech_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 s"):
        speech(1, 0.5)
