"""The model: finds the language of a text, with the naive Bayes classifier that py3langid brings."""

import json
from pathlib import Path
from typing import Any, Dict, List

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from flask_psc_model import ModelBase, load_metadata

METADATA = load_metadata(__file__)

#: How many languages a result lists.
LISTED = 3


class LanguageFinderModel(ModelBase):
    """Finds the language of a text."""

    input_filenames = list(METADATA.inputs)
    output_filenames = list(METADATA.outputs)

    def __init__(self) -> None:
        """Load the classifier, which is in the package."""
        self.identifier = LanguageIdentifier.from_model_file(
            MODEL_FILE, norm_probs=True
        )
        self.known = set(self.identifier.labels)

    def run(self, text_path: str, languages_path: str, language_path: str) -> None:
        """Read the input files of one job, and write its output files."""
        text = Path(text_path).read_text(encoding="utf-8")
        languages = json.loads(Path(languages_path).read_text(encoding="utf-8"))
        result = self.predict(text, languages)
        Path(language_path).write_text(json.dumps(result, indent=2), encoding="utf-8")

    def predict(self, text: str, languages: Any) -> Dict[str, Any]:
        """Return the language, and the best ones with their scores.

        Args:
            text: to classify.
            languages: the codes to choose from; all that are known if there are none.

        Raises:
            ValueError: the text has no letters, or the languages are no known codes.
        """
        if not any(character.isalpha() for character in text):
            raise ValueError("text.txt has no letters, expected a sentence or more")
        self.identifier.set_languages(self.check_languages(languages) or None)
        best = self.identifier.rank(text)[:LISTED]
        ranking = [{"language": code, "score": score} for code, score in best]
        return {"language": best[0][0], "ranking": ranking}

    def check_languages(self, languages: Any) -> List[str]:
        """Return the codes.

        Raises:
            ValueError: they are no list, or some are not known.
        """
        if not isinstance(languages, list):
            raise ValueError(
                'languages.json is no list, expected codes such as ["de", "en"], or []'
            )
        unknown = [code for code in languages if str(code) not in self.known]
        if unknown:
            raise ValueError(
                f"languages.json has {json.dumps(unknown[0])}, expected codes of ISO 639 that the model knows,"
                ' such as "de" or "ja"'
            )
        return languages


if __name__ == "__main__":
    from flask_psc_model.cli import run_model

    run_model.main(LanguageFinderModel)
