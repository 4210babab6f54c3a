"""What a result says about the film itself: what was odd about it, and what kind of film a guide saw."""

from schemas.analysis import AnalysisRecord


def remarks(record: AnalysisRecord, *, figures: bool = True) -> list[str]:
    """Sentences, with what the guide computed or without; none where nothing was noticed and there is no guide."""
    sentences = []
    if record.image.warnings:
        sentences.append(f"The film: {', '.join(record.image.warnings)}")
    if record.prediction.traits:
        seen = [
            f"{name} {trait.value}" + (f" ({trait.probability:.2f})" if figures else "")
            for name, trait in record.prediction.traits.items()
        ]
        sentences.append(f"The film looks like: {', '.join(seen)}")
    return sentences
