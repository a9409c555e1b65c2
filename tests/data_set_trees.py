"""Published data sets in small: the folders, names and label formats of the downloads, quirks of
upper and lower case included. Images are empty files; `fill` draws them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.tiny_data import picture

LIVE_REFERENCES = (
    "bikes", "building2", "buildings", "caps", "carnivaldolls", "cemetry", "churchandcapitol",
    "coinsinfountain", "dancers", "flowersonih35", "house", "lighthouse", "lighthouse2",
    "manfishing", "monarch", "ocean", "paintedhouse", "parrots", "plane", "rapids", "sailing1",
    "sailing2", "sailing3", "sailing4", "statue", "stream", "studentsculpture", "woman", "womanhat",
)  # fmt: skip
LIVE_COUNTS = {
    "jp2k": (227, 58),
    "jpeg": (233, 58),
    "wn": (174, 29),
    "gblur": (174, 29),
    "fastfading": (174, 29),
}


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write(file: Path, lines: Sequence[str], end: str = "\n") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes("".join(line + end for line in lines).encode())


def fill(folder: Path, noise_of) -> None:
    """Draw every image below the folder. noise_of: name -> (content, standard deviation)."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".bmp", ".png", ".jpg", ".jpeg"):
            content, noise = noise_of(path.name)
            picture(np.random.default_rng(content), noise).save(path)


def cells(texts: Sequence[str], shape: tuple[int, ...]) -> np.ndarray:
    """A MATLAB cell array of strings."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array.reshape(shape)


def book(file: Path, sheets: dict[str, list[list]], top: int = 0, left: int = 0) -> None:
    """An .xlsx file whose tables begin below `top` rows and beside `left` columns."""
    import openpyxl

    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for _ in range(top):
            sheet.append(["about this file"])
        for row in rows:
            sheet.append([None] * left + row)
    file.parent.mkdir(parents=True, exist_ok=True)
    made.save(file)


def tid(root: Path, types: Sequence[int] = (1, 11, 14, 17, 24), levels: int = 3) -> Path:
    """References 1 to 4 and 25. MOS: 6 less the level, a tenth of the type and a hundredth of the
    reference; types 14 and 17 rise.
    """
    rows, std = [], []
    for reference in (1, 2, 3, 4, 25):
        for kind in types:
            for level in range(1, levels + 1):
                name = f"{reference:02d}_{kind:02d}_{level}"
                listed = {1: f"I{name}.bmp", 11: f"I{name}.BMP"}.get(kind, f"i{name}.bmp")
                touch(root, f"distorted_images/{'I' if kind == 14 else 'i'}{name}.bmp")
                slope = level if kind in (14, 17) else -level
                rows.append(f"{6 + slope - kind / 10 - reference / 100:.5f} {listed}")
                std.append(f"{0.1 + level / 100:.5f}")
    touch(
        root, *(f"reference_images/I{r:02d}.BMP" for r in (1, 2, 3, 4)), "reference_images/i25.bmp"
    )
    touch(root, "readme", "metrics_values/psnr.txt")
    write(root / "mos_with_names.txt", rows, "\r\n")
    write(root / "mos.txt", [row.split()[0] for row in rows], "\r\n")
    write(root / "mos_std.txt", std, "\r\n")
    return root


def live(root: Path, realigned: bool = True) -> Path:
    """All 982 images: number i of a folder is of reference i modulo 29, worse the later it comes;
    the last ones are copies. DMOS: 10 for each step of i by 29, and a tenth of the folder.
    """
    names, dmos, copies = [], [], []
    touch(root, *(f"refimgs/{name}.bmp" for name in LIVE_REFERENCES), "refimgs/Thumbs.db")
    for number, (kind, (count, same)) in enumerate(LIVE_COUNTS.items(), start=1):
        rows = []
        for i in range(count):
            touch(root, f"{kind}/img{i + 1}.bmp")
            copy, step = i >= count - same, i // 29 + 1
            names.append(f"{LIVE_REFERENCES[i % 29]}.bmp")
            dmos.append(0.0 if copy else 10 * step + number / 10)
            copies.append(float(copy))
            value = step / 10 if kind in ("wn", "gblur") else 1 / step
            rows.append(f"{names[-1]} img{i + 1}.bmp {0 if copy else value:.6f}")
        write(root / kind / "info.txt", rows, "\r\n")
    savemat(root / "refnames_all.mat", {"refnames_all": cells(names, (1, -1))})
    savemat(root / "dmos.mat", {"dmos": [dmos], "orgs": [copies]})
    if realigned:
        values = {
            "dmos_new": [[x - 2.5 for x in dmos]],
            "dmos_std": [[5.0] * 982],
            "orgs": [copies],
        }
        savemat(root / "dmos_realigned.mat", values)
    return root


def mlive(root: Path) -> Path:
    """Three references. DMOS: 20 per level of blur, 7 per level of the other, 1 more in part 2."""
    references = ("babygirl", "cows", "palace2")
    for part, folder, other in ((1, "blurjpeg", "jpeg"), (2, "blurnoise", "noise")):
        top = root / "To_Release" / (f"Part {part}" if part == 1 else "Part_2")
        names, owners, dmos = [], [], []
        for owner, reference in enumerate(references, start=1):
            touch(top, f"{folder}/{reference}.bmp")
            for blur in range(4):
                for second in range(4):
                    if blur or second:
                        steps = f"_blur{blur}" * (blur > 0) + f"_{other}{second}" * (second > 0)
                        names.append(f"{reference}{steps}.bmp")
                        owners.append(owner)
                        dmos.append(20.0 * blur + 7 * second + part - 1)
        touch(top, *(f"{folder}/{name}" for name in names))
        lists = {
            "distimgs": cells(names, (-1, 1)),
            "refimgs": cells([f"{name}.bmp" for name in references], (-1, 1)),
            "ref4dist": [owners],
        }
        savemat(top / "Imagelists.mat", lists)
        savemat(top / "Scores.mat", {"DMOSscores": [dmos]})
    return root


def waterloo(root: Path, generated: bool = True, layout: str = "") -> Path:
    """Ten images. layout: how the versions lie: RankIQA's folders, the maintainers' package
    (`typed`), or files that end in the level (`plain`).
    """
    top = root / "exploration_database_and_code"
    if layout:
        for n in range(1, 11):
            touch(top, f"pristine_images/{n:05d}.bmp")
            for number, folder in enumerate(("GBLUR", "GNOISE", "jpeg", "JP2K"), start=1):
                end = f"_{number}" if layout == "typed" else ""
                names = [f"{n:05d}{end}_{level}.png" for level in range(1, 6)]
                touch(top, *(f"distorted_images/{folder}/{name}" for name in names))
        return root
    kinds = {"GB": "bmp", "GN": "bmp", "JPEG": "jpg", "JP2K": "jp2"}
    for n in range(1, 11):
        touch(top, f"pristine_images/{n:05d}.bmp")
        for kind, ending in kinds.items() if generated else ():
            touch(top, *(f"{kind}/{kind}{level}/{n:05d}.{ending}" for level in range(1, 6)))
    return root


def photonet(root: Path) -> Path:
    """Ten photographs; the second has no counts, the third some that do not add up, the fourth
    stands there twice, and the tenth has no file.
    """
    rows = []
    for n in range(10):
        counts = [0, 1, 2, 3, 3, 1, 0]
        rating = f"{4 + n / 10:.2f} 1.21"
        if n == 1:
            counts, rating = [-1] * 7, "4.10 -1"
        if n == 2:
            counts = [0, 1, 2, 3, 3, 1, 5]
        rows.append(f"{n + 1} {2985300 + n} 10 {rating} " + " ".join(map(str, counts)))
    rows.insert(4, rows[3].replace("4.30", "6.60"))
    write(root / "photonet_dataset.txt", rows, "\r\n")
    touch(root, *(f"images/{2985300 + n}.{'JPG' if n == 5 else 'jpg'}" for n in range(9)))
    return root


def dpchallenge(root: Path) -> Path:
    """Ten photographs below a header; the first has no ratings."""
    rows = ["index photo_id ratings mean 1 2 3 4 5 6 7 8 9 10"]
    rows.append("1 100 0 -1" + " -1" * 10)
    for n in range(1, 10):
        rows.append(f"{n + 1} {100 + n} 4 5.5 0 0 0 1 1 1 1 0 0 0")
    write(root / "dpchallenge_dataset.txt", rows, "\r\n")
    touch(root, *(f"{100 + n}.jpg" for n in range(10)))
    return root


def ava(root: Path, lists: bool = True) -> Path:
    """Twenty photographs; those with odd ids are the official test part; 953639 has no file."""
    rows = []
    for n in range(20):
        votes = [0, 1, 5, 17, 38, 36 + n, 15, 6, 5, 1]
        rows.append(f"{n + 1} {953620 + n} {' '.join(map(str, votes))} 1 22 1396")
    write(root / "AVA_dataset/AVA.txt", rows)
    if lists:
        held_out = [str(953620 + n) for n in range(1, 20, 2)]
        write(root / "AVA_dataset/aesthetics_image_lists/generic_test.jpgl", held_out)
    touch(root, *(f"images/images/{953620 + n}.jpg" for n in range(19)))
    return root


CSIQ_TYPES = {
    "noise": ("awgn", "AWGN"), "jpeg": ("jpeg", "JPEG"), "jpeg 2000": ("jpeg2000", "jpeg2000"),
    "fnoise": ("fnoise", "fnoise"), "blur": ("blur", "BLUR"), "contrast": ("contrast", "contrast"),
}  # fmt: skip


def csiq(root: Path, labels: str = "xlsx") -> Path:
    """Four references and two levels (contrast: one). DMOS: .3 per level, .01 per type."""
    rows = []
    for reference in (1600, "aerial_city", "boston", "cactus"):
        touch(root, f"src_imgs/{reference}.png")
        for index, (word, (folder, in_name)) in enumerate(CSIQ_TYPES.items(), start=1):
            for level in range(1, 2 if word == "contrast" else 3):
                flat = "dst_imgs_all" if labels == "label" else f"dst_imgs/{folder}"
                touch(root, f"{flat}/{reference}.{in_name}.{level}.png")
                dmos = round(0.3 * level + index / 100, 4)
                rows.append([reference, index, word, level, 0.05, dmos])
    if labels == "xlsx":
        header = ["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"]
        sheets = {"all_by_distortion": [header[::-1]], "all_by_image": [header, *rows]}
        book(root / "csiq.DMOS.xlsx", sheets, top=3, left=3)
    elif labels == "beta":
        write(root / "csiq.beta.txt", ["\t".join(map(str, row)) for row in rows], "\r\n")
    else:
        names = [f"{ref}.{CSIQ_TYPES[word][1]}.{level}.png" for ref, _, word, level, _, _ in rows]
        lines = [f"{name} {row[5]:.6f}" for name, row in zip(names, rows, strict=True)]
        write(root / "csiq_label.txt", lines)
    return root


def kadid(root: Path) -> Path:
    """Four references, types 1, 5, 18 and 25, three levels. Scores fall by 1 from 4.5."""
    rows = ["dist_img,ref_img,dmos,var"]
    for reference in range(1, 5):
        touch(root, f"images/I{reference:02d}.png")
        for kind in (1, 5, 18, 25):
            for level in range(1, 4):
                name = f"I{reference:02d}_{kind:02d}_{level:02d}.png"
                touch(root, f"images/{name}")
                rows.append(f"{name},I{reference:02d}.png,{5.5 - level},0.496")
    write(root / "dmos.csv", rows, "\r\n")
    return root


def pipal(root: Path, validation: bool = True) -> Path:
    """As released for NTIRE, an early copy with one val_label.txt."""
    for part, letter, count in (("Train", "A", 4), ("Val", "B", 2)):
        lines = []
        for reference in range(1, count + 1):
            name = f"{letter}{reference:04d}"
            touch(root, f"{part}_Ref/{name}.bmp")
            versions = [
                f"{name}_{group:02d}_{index:02d}.bmp" for group in (0, 6) for index in (0, 1)
            ]
            folder = f"Distortion_{reference}" if part == "Train" else "Val_Dist"
            touch(root, *(f"{folder}/{version}" for version in versions))
            comma = ", " if part == "Val" else ","
            rows = [f"{v}{comma}{1500 + 10 * i + 0.0648:.4f}" for i, v in enumerate(versions)]
            if part == "Train":
                write(root / "Train_Label" / f"{name}.txt", rows)
            lines += rows
        if part == "Val" and validation:
            write(root / "val_label.txt", lines)
    return root


def pipal_of_the_authors(root: Path, labels: str = "") -> Path:
    """Their own folders. labels: folder of the validation part's scores, if there is one."""
    for part, name in (("training", "A0001"), ("training", "A0002"), ("training", "A0003"),
                       ("validation", "B0001")):  # fmt: skip
        versions = [f"{name}_00_{index:02d}.bmp" for index in range(3)]
        rows = [f"{version},{1500 + i}" for i, version in enumerate(versions)]
        train = part == "training"
        ending = "train" if train else "valid"
        folder = "Distortion/Distortion_1" if train else "Distortion_valid"
        touch(root / part, f"Reference_{ending}/{name}.bmp", *(f"{folder}/{v}" for v in versions))
        if train:
            write(root / part / "MOS_Scores_train" / f"{name}.txt", rows)
        elif labels:
            write(root / labels / f"{name}.txt", rows)
    return root


def koniq(root: Path, sets: bool = True) -> Path:
    names = [f"1000{n}.jpg" for n in range(10)]
    touch(root, *(f"1024x768/{name}" for name in names), *(f"512x384/{name}" for name in names))
    if sets:
        of = ["training"] * 6 + ["validation"] * 2 + ["test"] * 2
        head = "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set"
        rows = [
            f"{n},0.0,0.0,0.25,0.65,0.1,105,{70.5 + i},0.527,{of[i]}" for i, n in enumerate(names)
        ]
        write(root / "koniq10k_distributions_sets.csv", [head, *rows])
    else:
        head = '"image_name","c1","c2","c3","c4","c5","c_total","MOS","SD","MOS_zscore"'
        rows = [f'"{n}",0,0,25,70,10,105,3.86,0.577,{70.5 + i}' for i, n in enumerate(names)]
        write(root / "koniq10k_scores_and_distributions.csv", [head, *rows])
    return root


def spaq(root: Path) -> Path:
    """Below Dataset/; one file is called with a blank."""
    names = [f"{n:05d}.jpg" for n in range(1, 10)] + ["00010 (2).jpg"]
    touch(root, *(f"Dataset/TestImage/{name}" for name in names))
    rows = [[name, 20 + 7.25 * i, 50, 50, 50, 50, 50] for i, name in enumerate(names)]
    head = ["Image name", "MOS", "Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness"]
    name = "MOS and Image attribute scores.xlsx"
    book(root / "Dataset/Annotations" / name, {"Sheet1": [head, *rows]})
    return root


def clive(root: Path) -> Path:
    names = [f"t{n}.bmp" for n in range(1, 8)] + ["3.bmp", "4.JPG", "5.bmp", "10.JPG", "1164.bmp"]
    touch(root, *(f"Images/trainingImages/{name}" for name in names[:7]))
    touch(root, *(f"Images/{name}" for name in names[7:]))
    columns = {
        "AllImages_release": cells(names, (-1, 1)),
        "AllMOS_release": [[5.0 * n for n in range(len(names))]],
        "AllStdDev_release": [[15.0 + n for n in range(len(names))]],
    }
    (root / "Data").mkdir()
    for name, values in columns.items():
        savemat(root / "Data" / f"{name}.mat", {name: values})
    return root


def flive(root: Path, plain: bool = False, inside: str = "") -> Path:
    """Nine pictures, two patches each; the last is in no part of the division. plain: names of the
    csv files without < and >. inside: what patches carry of their picture's extension.
    """
    pictures = [
        "voc_emotic_ava/AVA__100.jpg", "voc_emotic_ava/EMOTIC__a+b__2.jpg",
        "blur_dataset/out 1.jpg", "blur_dataset/out2.jpg", "EE371R/cj23+019.jpg", "EE371R/x.jpg",
        "voc_emotic_ava/v1.jpg", "voc_emotic_ava/v2.jpg", "voc_emotic_ava/v3.jpg",
    ]  # fmt: skip
    touch(root / "database", *pictures)
    stems = [Path(name).stem for name in pictures]
    patches = [f"patches/{stem}{inside}_patch_{n}.jpg" for stem in stems for n in (1, 2)]
    touch(root / "database", *patches)
    image_rows = [f"{name},{60 + i}" for i, name in enumerate(pictures)]
    write(root / "labels_image.csv", ["name,mos", *image_rows])
    patch_rows = [f"{name},{40 + i}" for i, name in enumerate(patches)]
    write(root / "labels_patch.csv", ["name,mos", *patch_rows])
    padded = [f"{name},{'True' if i == 5 else 'False'},60,1" for i, name in enumerate(pictures[:6])]
    small, large = ("=640", "640") if plain else ("<=640", ">640")
    head = "name_image,is_valid,mos_image,mos_patch_1"
    write(root / f"labels{small}_padded.csv", [head, *padded])
    write(
        root / f"labels{large}.csv", ["name_image,mos_image", *(f"{n},60" for n in pictures[6:8])]
    )
    return root


def biq(root: Path) -> Path:
    names = [f"ss0{1 + n % 3} ({n}).jpg" for n in range(12)]
    touch(root, *(f"Images/{name}" for name in names))
    train = [f"{name},0.{n + 10},," for n, name in enumerate(names[:10])]
    test = [f"{name},0.{n + 10}" for n, name in enumerate(names[10:], start=10)]
    write(root / "Train (Images and MOS).csv", ["Image Name,MOS,,", *train])
    write(root / "Test (Images and MOS).csv", ["Image Name,MOS", *test])
    return root


def agiqa(root: Path) -> Path:
    rows = ["name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align"]
    for n in range(5):
        for model in ("sd1.5_lowstep", "xl2.2_normal", "AttnGAN_normal"):
            name = f"{model}_{n:03d}.jpg"
            touch(root, name)
            rows.append(f'{name},"a cat, number {n}, on a mat",,,anime,{1 + n / 2},0.25,3,0.5')
    write(root / "data.csv", rows, "\r\n")
    return root


def cid(root: Path) -> Path:
    rows = [["Source_ID", "MOS", "Realigned MOS", "Sharpness"]]
    for number, roman in enumerate(("I", "II", "III", "IV", "V", "VI"), start=1):
        for content in (1, 2):
            name = f"IS_{roman}_C{content:02d}_D01"
            touch(root, f"IS{number}/co{content}/{name}.jpg")
            rows.append([name, 50, 10 * number + content, 3])
    book(root / "CID2013 data - version 12112014.xlsx", {"Notes": [], "CID2013 MOS": rows})
    return root
