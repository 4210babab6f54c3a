"""Films that were stored in colour: secondary captures become gray by luminance."""

import io

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, uid
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import convert_color_space

from imaging.decode import decode
from imaging.dicom.codecs import decode_frame
from imaging.phantom import phantom
from schemas.errors import InvalidImageError, UnsupportedImageError
from tests.imaging.compressed import encapsulated_film
from tests.imaging.files import dicom_bytes, dicom_dataset, pillow

FILM = phantom(32, 24, seed=3)
GRAY_AS_RGB = np.repeat(FILM[..., None], 3, axis=-1)
COLOURED = np.stack([FILM, FILM // 2, 255 - FILM], axis=-1)


def colour_film(pixels, photometric, syntax=uid.ExplicitVRLittleEndian, **attributes):
    dataset = dicom_dataset(FILM, PhotometricInterpretation=photometric, SamplesPerPixel=3, **attributes)
    dataset.PlanarConfiguration = attributes.get("PlanarConfiguration", 0)
    dataset.PixelData = pixels.tobytes()
    return dicom_bytes(dataset, syntax)


def luminance(rgb):
    return np.array(Image.fromarray(rgb).convert("L"))


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian])
def test_gray_stored_as_rgb_is_the_gray_film_without_a_warning(syntax) -> None:
    radiograph = decode(colour_film(GRAY_AS_RGB, "RGB", syntax))

    assert np.array_equal(radiograph.pixels, FILM)
    assert (radiograph.bits, radiograph.photometric_interpretation, radiograph.warnings) == (8, "RGB", ())


def test_real_colour_becomes_its_luminance_and_is_noted() -> None:
    radiograph = decode(colour_film(COLOURED, "RGB"))

    assert np.array_equal(radiograph.pixels, luminance(COLOURED))
    assert radiograph.warnings == ("colour_image",)


def test_colour_by_plane_is_colour_by_pixel() -> None:
    by_plane = colour_film(np.ascontiguousarray(COLOURED.transpose(2, 0, 1)), "RGB", PlanarConfiguration=1)

    assert np.array_equal(decode(by_plane).pixels, luminance(COLOURED))


def test_ybr_is_converted_before_its_luminance_is_taken() -> None:
    ybr = convert_color_space(COLOURED, "RGB", "YBR_FULL")

    assert decode(colour_film(ybr, "YBR_FULL")).pixels.astype(int) == pytest.approx(
        luminance(COLOURED).astype(int), abs=2
    )


def test_ybr_with_halved_colours_is_gray_where_its_colours_are_neutral() -> None:
    pairs = np.full((32, 12, 4), 128, np.uint8)
    pairs[..., 0] = FILM[:, ::2]
    pairs[..., 1] = FILM[:, 1::2]

    assert np.array_equal(decode(colour_film(pairs, "YBR_FULL_422")).pixels, FILM)


@pytest.mark.parametrize(("photometric", "missing"), [("RGB", 1), ("YBR_FULL", 1), ("YBR_FULL_422", 32 * 24 + 1)])
def test_truncated_colour_is_invalid(photometric, missing) -> None:
    data = colour_film(GRAY_AS_RGB.ravel()[: -missing - missing % 2], photometric)

    with pytest.raises(InvalidImageError, match="truncated"):
        decode(data)


@pytest.mark.parametrize("attributes", [{"BitsAllocated": 16, "BitsStored": 16}, {"BitsStored": 7}])
def test_colour_of_other_than_8_bits_is_unsupported(attributes) -> None:
    with pytest.raises(UnsupportedImageError, match="8 unsigned bits"):
        decode(colour_film(GRAY_AS_RGB, "RGB", **attributes))


def test_a_planar_configuration_that_does_not_exist_is_invalid() -> None:
    with pytest.raises(InvalidImageError, match="PlanarConfiguration must be 0 or 1 and is 2"):
        decode(colour_film(COLOURED, "RGB", PlanarConfiguration=2))


@pytest.mark.parametrize(
    ("syntax", "photometric", "frame"),
    [
        (uid.JPEGBaseline8Bit, "YBR_FULL_422", pillow(Image.fromarray(COLOURED), "JPEG", quality=100)),
        (uid.JPEG2000Lossless, "YBR_RCT", pillow(Image.fromarray(COLOURED), "JPEG2000", mct=1, no_jp2=True)),
        (uid.JPEG2000Lossless, "RGB", pillow(Image.fromarray(COLOURED), "JPEG2000", mct=0, no_jp2=True)),
    ],
)
def test_compressed_colour_becomes_its_luminance(syntax, photometric, frame) -> None:
    film = encapsulated_film(
        encapsulate([frame]),
        syntax,
        FILM,
        PhotometricInterpretation=photometric,
        SamplesPerPixel=3,
        PlanarConfiguration=0,
    )
    shown = decode(film, frame_decoder=decode_frame).pixels.astype(int)

    assert shown == pytest.approx(luminance(COLOURED).astype(int), abs=6 if syntax == uid.JPEGBaseline8Bit else 0)


@pytest.mark.parametrize(
    "name", ["SC_rgb_rle.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_ybr_full_422_uncompressed.dcm"]
)
def test_published_colour_captures_are_read_as_films_once_their_modality_says_so(name) -> None:
    dataset = dcmread(get_testdata_file(name, download=False))
    dataset.Modality = "CR"
    stream = io.BytesIO()
    dataset.save_as(stream)
    radiograph = decode(stream.getvalue(), frame_decoder=decode_frame)

    assert radiograph.pixels.shape == (100, 100)
    # the bars are red, green, blue, their halves, black, gray and white, from the top: luminance of the first three
    assert radiograph.pixels[[5, 25, 45], 50].astype(int) == pytest.approx([76, 150, 29], abs=4)
    assert radiograph.warnings == ("colour_image",)
