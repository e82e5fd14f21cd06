"""The fixed texts of an exam in each language; the questions of the quizzes keep theirs."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Texts:
    """The texts of one language, and how it writes numbers."""

    code: str
    fixed: dict[str, str]
    thousands: str
    decimal: str

    def __call__(self, name: str, **values: object) -> str:
        """Return a text, with values in place of its {names}."""
        return self.fixed[name].format(**values)

    def number(self, value: float, digits: int | None = None) -> str:
        """Return a number as the language writes it; without `digits` no zeros are added."""
        text = f"{value:,.{digits}f}" if digits is not None else f"{value:,g}"
        text = f"{value:,}" if isinstance(value, int) else text
        return text.translate({ord(","): self.thousands, ord("."): self.decimal, ord("-"): "−"})

    def label(self, name: str) -> str:
        """Return a text with a colon after it."""
        return f"{self(name)}{self('colon')}"

    def points(self, number: float) -> str:
        """Return a number of points with its unit."""
        is_one = number < 2 if self.code == "fr" else number == 1
        return f"{self.number(number)} {self('point' if is_one else 'points')}"


ENGLISH = {
    "colon": ":",
    "list": ", ",
    "exam": "Image classification: exam",
    "key": "Image classification: key to the exam",
    "worksheet": "Image classification: exercise sheet",
    "worksheet_key": "Image classification: key to the exercise sheet",
    "variant": "variant {seed}",
    "page": "page {number} of {total}",
    "name": "Name",
    "student": "Student number",
    "date": "Date",
    "duration": "Duration",
    "minutes": "{minutes} minutes",
    "aids": "Aids",
    "calculator": "a pocket calculator",
    "problem": "Problem {number}",
    "continued": "continued",
    "total": "Total",
    "numbers": "Problem",
    "worth": "Points",
    "earned": "Earned",
    "point": "point",
    "points": "points",
    "room": "Room to work",
    "layers": "What layers cost",
    "layers_text": "An image has {channels} channels of {height} × {width} values of 4 bytes; "
    "sizes are height × width. Each of the three layers reads this image, and gives values of "
    "4 bytes, too. Biases count; 1 MAC = 2 FLOPs, a bias = 1 FLOP. To find the largest of n "
    "values takes n − 1 comparisons.",
    "layer": "layer",
    "what": "what it does",
    "dense": "dense",
    "conv": "convolution",
    "pool": "pooling",
    "dense_does": "{units} units, with biases",
    "conv_does": "{kernels} kernels of {kernel_size} × {kernel_size}, with biases, "
    "stride {stride}, padding {padding}",
    "pool_does": "the maximum of {pool_size} × {pool_size} windows, stride {pool_stride}, "
    "no padding",
    "params": "parameters",
    "flops": "FLOPs",
    "comparisons": "comparisons",
    "shape": "output shape, channels first",
    "bytes": "bytes of the output",
    "asks": "{layer}: {what}",
    "metrics": "Metrics",
    "metrics_text": "The table holds the scores that a network gave to five images, and their "
    "true class.",
    "image": "image",
    "truth": "true class",
    "classes": "apple, bike, car, cat, dog, pear, plane",
    "top": "Top-{k} accuracy, in per cent",
    "loss": "For three other images, softmax gives the true class the probabilities {probs}. "
    "Write the mean cross-entropy with natural logarithms, and its value to three decimals.",
    "fields": "Receptive fields",
    "fields_text": "Four layers without padding follow one another. How many pixels of the image, "
    "along one axis, can change one value behind a layer?",
    "kind": "kind",
    "window": "window",
    "stride": "stride",
    "field": "Receptive field behind layer {number}",
    "range": "Pixels and values are counted from 0. Which pixels, from the first to the last, can "
    "change value {index} behind layer 4?",
    "to": "{first} to {last}",
    "questions": "Questions",
    "questions_text": "Write the letter or letters.",
    "several": "{question} (more than one may be right)",
}
FRENCH = {
    "colon": " :",
    "list": " ; ",
    "exam": "Classification d’images : examen",
    "key": "Classification d’images : corrigé de l’examen",
    "worksheet": "Classification d’images : feuille d’exercices",
    "worksheet_key": "Classification d’images : corrigé de la feuille d’exercices",
    "variant": "sujet {seed}",
    "page": "page {number} sur {total}",
    "name": "Nom et prénom",
    "student": "Numéro d’étudiant",
    "date": "Date",
    "duration": "Durée",
    "minutes": "{minutes} minutes",
    "aids": "Documents et matériel autorisés",
    "calculator": "calculatrice uniquement",
    "problem": "Exercice {number}",
    "continued": "suite",
    "total": "Total",
    "numbers": "Exercice",
    "worth": "Barème",
    "earned": "Note",
    "point": "point",
    "points": "points",
    "room": "Brouillon",
    "layers": "Le coût des couches",
    "layers_text": "Une image a {channels} canaux de {height} × {width} valeurs de 4 octets ; les "
    "tailles sont données sous la forme hauteur × largeur. Chacune des trois couches reçoit cette "
    "image en entrée, et chaque valeur de sortie occupe aussi 4 octets. Les biais comptent ; "
    "1 MAC = 2 FLOPs, un biais = 1 FLOP. Trouver la plus grande de n valeurs demande n − 1 "
    "comparaisons.",
    "layer": "couche",
    "what": "ce qu’elle fait",
    "dense": "dense",
    "conv": "convolution",
    "pool": "pooling",
    "dense_does": "{units} neurones, avec biais",
    "conv_does": "{kernels} noyaux de {kernel_size} × {kernel_size}, avec biais, "
    "pas de {stride}, padding de {padding}",
    "pool_does": "maximum sur des fenêtres de {pool_size} × {pool_size}, pas de {pool_stride}, "
    "sans padding",
    "params": "nombre de paramètres",
    "flops": "nombre de FLOPs",
    "comparisons": "nombre de comparaisons",
    "shape": "dimensions de la sortie, canaux en premier",
    "bytes": "taille de la sortie, en octets",
    "asks": "{layer} : {what}",
    "metrics": "Métriques",
    "metrics_text": "Le tableau donne les scores qu’un réseau attribue à cinq images, ainsi "
    "que leur vraie classe.",
    "image": "image",
    "truth": "vraie classe",
    "classes": "pomme, vélo, voiture, chat, chien, poire, avion",
    "top": "Exactitude top-{k}, en pourcentage",
    "loss": "Pour trois autres images, le softmax attribue à la vraie classe les probabilités "
    "{probs}. Exprimez l’entropie croisée moyenne à l’aide de logarithmes népériens, puis donnez "
    "sa valeur avec trois décimales.",
    "fields": "Champs récepteurs",
    "fields_text": "Quatre couches sans padding se suivent. Combien de pixels de l’image, le long "
    "d’un axe, peuvent influer sur une valeur en sortie d’une couche ?",
    "kind": "type",
    "window": "fenêtre",
    "stride": "pas",
    "field": "Champ récepteur en sortie de la couche {number}",
    "range": "Les pixels et les valeurs sont numérotés à partir de 0. Quels pixels, du premier au "
    "dernier, peuvent influer sur la valeur {index} en sortie de la couche 4 ?",
    "to": "{first} à {last}",
    "questions": "Questions à choix multiple",
    "questions_text": "Indiquez la lettre de la bonne réponse, ou les lettres s’il y en a "
    "plusieurs.",
    "several": "{question} (plusieurs réponses possibles)",
}
TIED = {name: re.sub(" (?=[;:?])", "\N{NO-BREAK SPACE}", text) for name, text in FRENCH.items()}
LANGUAGES = {
    "en": Texts("en", ENGLISH, ",", "."),
    "fr": Texts("fr", TIED, "\N{NARROW NO-BREAK SPACE}", ","),
}
