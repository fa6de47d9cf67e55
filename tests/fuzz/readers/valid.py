"""Small valid records of every kind, which the readers' files are made of."""

from __future__ import annotations

SAMPLES = [
    {"id": f"train/c{n}/0/prompt2/pass0", "history": [f"i lost my dog {n} ."], "response": f"i am so sorry {n} ."}
    for n in range(4)
]
ED_SAMPLES = [
    {
        "id": f"train/c{n}/0",
        "conv_id": f"c{n}",
        "turn": 0,
        "emotion": "sad",
        "history": [f"it rained {n} ."],
        "response": f"what a pity {n} !",
    }
    for n in range(4)
]
ROUNDS = (
    "Round 1:\nContext: my dog is ill .\nResponse: oh no !\n\nRound 2:\nContext: he is old .\nResponse: poor dog ."
)
OUTPUTS = [
    {
        "id": f"train/c{n}/0/prompt2/pass0", "seed_id": f"train/c{n}/0", "pass": 0, "tokens": 40, "finish": finish,
        "text": ROUNDS,
    }
    for n, finish in enumerate(["stop", "length", "stop"])
]  # fmt: skip
DIALOGUES = [
    {
        "id": f"d{n}",
        "rounds": [
            {"context": f"my dog {n} is ill .", "response": "oh no !"},
            {"context": "he is old .", "response": "poor dog ."},
        ],
    }
    for n in range(3)
]
RESPONSES = [
    {"id": sample["id"], "prediction": "oh no , i am sorry .", "reference": sample["response"]} for sample in SAMPLES
]
MARK = {"score": 2.5, "mark": 3, "probabilities": {"1": 0.1, "2": 0.3, "3": 0.6}, "mass": 0.9, "output": None}
JUDGED = [{"id": f"s{n}", "criteria": {"coherence": MARK, "empathy": MARK}} for n in range(3)]
TEXTS = [{"row": n, "text": f"text {n}"} for n in range(3)]
SIMILARITIES = [{"id": sample["id"], "similarity": 60.0 + n} for n, sample in enumerate(SAMPLES)]
CRITERIA = ("coherence", "empathy", "informativeness", "continuity")
JUDGEMENTS = [
    {"example": f"test/c{n}/0", "baseline": "SEEK", "criterion": criterion, "evaluator": "e1", "verdict": verdict}
    for n, verdict in enumerate(["win", "tie"])
    for criterion in CRITERIA
]
PART = {"title": "Coherence", "scored": 3, "set_aside": 0, "mean": 2.5, "sd": 0.1, "full_share": 0.6}
SUMMARY = {
    "prompt": "prompt2", "stage": "before", "seed": 0, "judge": "m", "mode": "probabilities", "temperature": 0.8,
    "samples": {"available": 3, "drawn": 3, "scored": 3},
    "criteria": dict.fromkeys(("coherence", "naturalness", "empathy"), PART),
    "all": {"mean": 2.5, "sd": None, "full_share": 0.6}, "note": None,
}  # fmt: skip
