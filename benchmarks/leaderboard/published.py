"""The texts of the result pages, and what others published on the same films."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Claim:
    """Figures that other authors published."""

    network: str
    figures: str
    source: str


@dataclass(frozen=True, slots=True)
class Page:
    """The text of a page of results, without its tables."""

    title: str
    text: str
    caution: str = ""
    claims: tuple[Claim, ...] = ()


_NOT_OURS = (
    "The figures are those that the authors published; none was measured here. Some were chosen on the test "
    "films (the epoch, the threshold "
    "or the recipe), most have no interval, and another seed moves an AUROC by .004 to .017: they show what "
    "was claimed, not which is better."
)
_SCRATCH = (
    "MobileNet, EfficientNet-Lite0 and the convolutions of VGG16 started from weights learnt on photographs. "
    "ResNet50, DenseNet121, "
    "EfficientNet-B0 and the small CNNs started from random weights, at 96 px for 5 to 18 epochs or at 160 "
    "px for two. So few epochs are not "
    "enough for networks of their size: their rows show what the code does in minutes on two CPU cores, not "
    "what these architectures can do. "
    "Fewer epochs, tested before, gave less: a test AUROC of .860 (`cnn_baseline`), .912 (`cnn4`) and .910 "
    "(`cnn_attention`) after four, .905 "
    "(EfficientNet-B0) after six. With network access, `--weights hub` starts from ImageNet weights. The "
    "network marked *taught* was distilled "
    "from the three seeds of its kind, and started from the best weights of the first.\n\n**The floor.** A "
    "ridge regression on 48 x 48 pixels "
    "(`python -m benchmarks.floor runs/ID`), which knows nothing of lungs, has an AUROC of .983 [.967, .992] "
    "on validation and .903 [.873, .926] "
    "on the test films: a thumbnail contains most of what validation asks for, and what is learnt from it "
    "does not transfer to the test films. "
    "`cnn_baseline`, and ResNet50 after two epochs, stay below it.\n\nThe three best networks have three "
    "seeds each. The first seed of VGG16 was "
    "trained on two machines, hours apart: temperature, threshold and figures are equal in every digit that is shown."
)

PAGES: Mapping[str, Page] = MappingProxyType(
    {
        "two-classes": Page(
            "Kermany's chest films: normal or pneumonia",
            "The complete set. The 26 exact copies among the films of train and val are dropped; the "
            "official 624 test films, which contain six "
            "pairs of copies, stay as they are. Validation is split off by patient from the films of train "
            "and val. Inputs are smaller and epochs "
            "fewer than a GPU would allow.\n\n" + _SCRATCH,
            _NOT_OURS,
            (
                Claim("MobileNet, 3 classes", "accuracy .91, AUROC .978", "a public project of this field"),
                Claim(
                    "ResNet50, 2 classes",
                    "accuracy .958, sensitivity .964, specificity .941, AUROC .984",
                    "a public project of this field",
                ),
                Claim(
                    "DINO, linear probe, 224 px, 3 seeds",
                    "accuracy .916 ± .003, AUROC .989 ± .001",
                    "MedMNIST+, best of eleven",
                ),
                Claim("ResNet-18, 224 px, 3 seeds", "accuracy .911, AUROC .980", "MedMNIST+"),
                Claim("DenseNet-121, 224 px, 3 seeds", "accuracy .889, AUROC .974", "MedMNIST+"),
                Claim("VGG16, 224 px, 3 seeds", "accuracy .874, AUROC .985", "MedMNIST+"),
                Claim("Google AutoML Vision", "accuracy .946, AUROC .991", "MedMNIST"),
            ),
        ),
        "three-classes": Page(
            "Kermany's chest films: normal, bacterial, viral",
            "The same films with three classes by file name, and the same official test films; validation is "
            "split off by patient again, balanced "
            "over three classes. Every network separates the test films better than those of validation, by "
            ".05 or more of AUROC, because bacterial "
            "and viral films of the official test set also differ in how they were taken ([its "
            "films](official-split.md)). The germ was named by the "
            "authors of the set, not by culture, and bacterial and viral pneumonia look alike to "
            "radiologists too: training cannot remove the "
            "confusion between them. All children come from one hospital, and so does the frequency of each germ.",
            _NOT_OURS,
            (Claim("MobileNet", "accuracy .91, AUROC .978", "a public project of this field"),),
        ),
        "four-classes": Page(
            "COVID, normal, tuberculosis, viral pneumonia",
            "Three hundred training films per class and a hundred to test. **An exercise, never clinical "
            "evidence**: each class comes from other "
            "hospitals, ages, machines and encoders; all viral pneumonias are of children, most others of "
            "adults. A network that separates the "
            "sources scores as high as one that separates the diseases. Patients are not known, so each film "
            "counts as one: films of one patient "
            "may lie in two splits, and intervals treat them as independent.",
            "The figures are those that the authors published, on other samples of the same sources.",
            (
                Claim(
                    "ResNet-18, grouped split", "accuracy .952, macro F1 .957", "COVID-19 Radiography, a public study"
                ),
                Claim("the same, lungs alone", "accuracy .930, macro F1 .934", "COVID-19 Radiography, a public study"),
            ),
        ),
        "pneumoniamnist": Page(
            "PneumoniaMNIST, 28 x 28 pixels",
            "The films of Kermany's set as 28 x 28 thumbnails, in the official numbers 4,708, 524 and 624. "
            "The order of the films, and so the "
            "checksum of the file, differs from the official file. Thumbnails are enlarged to the size in "
            "the rows, which adds no detail. Copies "
            "that lie in two splits are dropped. Patients are not known, so each film counts as one: train "
            "and validation share some, and intervals "
            "treat films as independent.",
            _NOT_OURS,
            (
                Claim("ResNet-50, 28 px", "AUROC .948, accuracy .854", "MedMNIST v2, table 3"),
                Claim("AutoKeras", "AUROC .947, accuracy .878", "MedMNIST v2, table 3"),
            ),
        ),
    }
)
