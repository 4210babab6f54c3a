"""A guide from its table to its record."""

from pathlib import Path

from schemas.errors import TrainingConfigError
from schemas.model.guide import GuideRecord
from trainer.films.film import data_sha256
from trainer.guide.films import GuideFilms, read_films
from trainer.guide.fit import fit_guide
from trainer.guide.folder import GuideFolder
from trainer.guide.measure import calibrate_traits, measure_dice, measure_traits
from trainer.guide.options import GuideOptions
from trainer.guide.table import GuideTable, read_table
from trainer.guide.variations import MADE
from trainer.networks.lungs.guide import GuideNetwork
from trainer.reporter import Reporter


def train_guide(options: GuideOptions, folder: GuideFolder, reporter: Reporter) -> GuideRecord:
    """Train a guide on the films of its table, choose its cut-offs on the validation films, and write it.

    An interrupted training goes on from its checkpoint; a guide that is whole is read.

    Raises:
        TrainingConfigError: options that contradict the table or those of an interrupted training, or a loss that is
            not finite.
        TrainingDataError: a table or films that cannot be used.
        WeightsError: the encoder's weights do not fit.
    """
    if folder.record.exists():
        return folder.read()[0]
    table = read_table(Path(options.table))
    _check(options, table)
    folder.start(options)
    network, validation = _network(options, table, folder, reporter)
    record = GuideRecord(
        traits=measure_traits(network, validation, options),
        shows=options.shows,
        dice=measure_dice(network, validation),
        data=_in_words(table, validation),
        data_sha256=data_sha256(each.film for each in table.films),
        weights_sha256=folder.write_weights(network),
    )
    folder.write_record(record)
    return record


def _network(
    options: GuideOptions, table: GuideTable, folder: GuideFolder, reporter: Reporter
) -> tuple[GuideNetwork, GuideFilms]:
    """A trained and calibrated network, and the films that validate it."""
    validation = read_films(table, "val", options)
    if options.trained is None:
        network = fit_guide(read_films(table, "train", options), options, folder.checkpoint, reporter)
        calibrate_traits(network, validation)
        return network, validation
    record, network = GuideFolder(Path(options.trained)).read()
    known = {trait.name: trait.values for trait in record.traits}
    if known != dict(validation.traits):
        msg = f"{options.trained} knows the traits {known}, and the table has {dict(validation.traits)}"
        raise TrainingConfigError(msg)
    if record.data_sha256 != data_sha256(each.film for each in table.films):
        msg = f"{options.trained} was trained on other films than those of {options.table}; give it the same table"
        raise TrainingConfigError(msg)
    return network, validation


def _check(options: GuideOptions, table: GuideTable) -> None:
    given = {**options.accepted, **({options.made_up[0]: (options.made_up[1],)} if options.made_up else {})}
    for name, values in given.items():
        known = () if name in MADE else table.traits.get(name, ())
        if unknown := [value for value in values if value not in known]:
            msg = f"{name}={','.join(unknown)} is no trait and value of the table; it has " + "; ".join(
                f"{trait}: {', '.join(found)}" for trait, found in table.traits.items()
            )
            raise TrainingConfigError(msg)


def _in_words(table: GuideTable, validation: GuideFilms) -> str:
    train = len(table.films) - len(validation.rows)
    return (
        f"{train:,} films trained it, {len(validation.rows):,} of other patients measured it, "
        f"{len(validation.masks):,} of them with masks of the lungs"
    )
