"""Images that were rated one by one, without a pristine version: photographs with the faults that
cameras, compression and networks gave them, and images that models made.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dataloader.datasets.records import DataSet, Reading
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import (
    csv_rows,
    mat_numbers,
    mat_texts,
    number,
    same_length,
    sheet_rows,
)
from utils.text import quoted


def read_agiqa3k(tree: SourceTree) -> Reading:
    """2982 images of 6 generators, from 300 prompts.

    data.csv    name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align
    sd1.5_lowstep_012.jpg ...     <generator>_<setting>_<number>.jpg

    The prompt is the `reference_id`, the generator the distortion; there are no levels.
    """
    images = tree.images()
    found = Reading((images,))
    for place, row in csv_rows(tree.file("data.csv"), "name", "prompt", "mos_quality"):
        if path := images.find(row["name"]):
            found.add(
                path,
                mos=number(place, row["mos_quality"]),
                std=number(place, row["std_quality"]) if row.get("std_quality") else None,
                reference_id=" ".join(row["prompt"].split()),
                distortion=row["name"].split("_")[0],
            )
    return found


def read_biq2021(tree: SourceTree) -> Reading:
    """12000 photographs.

    Images/ss01 (1).jpg
    Train (Images and MOS).csv  Test (Images and MOS).csv      Image Name,MOS
    """
    images = tree.images("Images")
    found = Reading((images,))
    for split in ("train", "test"):
        file = tree.file(f"{split.capitalize()} (Images and MOS).csv")
        for place, row in csv_rows(file, "image name", "mos"):
            if path := images.find(row["image name"]):
                found.add(path, mos=number(place, row["mos"]), split=split)
    return found


CID_NAME = re.compile(r"(IS_[IVX]+)_(C\d+)_D\d+", re.IGNORECASE)
CID_BOOK = "CID2013 data - version 12112014.xlsx"


def read_cid2013(tree: SourceTree) -> Reading:
    """474 photographs of many cameras, in six image sets that were judged apart.

    IS1..IS6/co1..co8/IS_I_C01_D01.jpg      image set I, content 1, camera 1
    CID2013 data - version 12112014.xlsx    sheet CID2013 MOS: Source_ID, MOS, Realigned MOS, ...
    """
    images = tree.images()
    found = Reading((images,))
    for place, row in sheet_rows(tree.file(CID_BOOK), "CID2013 MOS", "source_id", "realigned mos"):
        match = CID_NAME.fullmatch(row["source_id"])
        if match is None:
            raise ValueError(f"{place}: {quoted(row['source_id'])} is no name such as IS_I_C01_D01")
        if path := images.find_stem(row["source_id"]):
            image_set = match[1].upper()
            found.add(
                path,
                mos=number(place, row.get("realigned mos")),
                reference_id=f"{image_set} {match[2].upper()}",
                group=image_set,
            )
    return found


CLIVE_TRAINING = re.compile(r"t\d+\.\w+", re.IGNORECASE)


def read_clive(tree: SourceTree) -> Reading:
    """1162 authentic photographs, and 7 that observers were trained with.

    Images/3.bmp, 4.JPG, ...  Images/trainingImages/t1.bmp ... t7.bmp
    Data/AllImages_release.mat  AllMOS_release.mat  AllStdDev_release.mat     1169 entries each
    """
    images = tree.images("Images")
    found = Reading((images,))
    names = mat_texts(tree.file("AllImages_release.mat"), "AllImages_release")
    columns = []
    for name in ("AllMOS_release", "AllStdDev_release"):
        values = mat_numbers(file := tree.file(f"{name}.mat"), name).tolist()
        same_length(file, len(values), len(names), "one for each of AllImages_release.mat")
        columns.append(values)
    for name, mos, std in zip(names, *columns, strict=True):
        if CLIVE_TRAINING.fullmatch(name):
            found.dropped["shown to train the observers (t1 to t7)"] += 1
            images.pass_over(name)
        elif path := images.find(name):
            found.add(path, mos=mos, std=std)
    return found


KONIQ_SETS = {"training": "train", "validation": "val", "test": "test"}
KONIQ_COUNTS = ("c1", "c2", "c3", "c4", "c5")
KONIQ_HIGHEST_VOTE = 5


def read_koniq10k(tree: SourceTree) -> Reading:
    """10073 photographs from the web with authentic distortions.

    1024x768/<id>.jpg, or 512x384/<id>.jpg
    koniq10k_distributions_sets.csv             image_name,c1..c5,c_total,MOS,SD,set
    koniq10k_scores_and_distributions.csv       image_name,c1..c5,c_total,MOS,SD,MOS_zscore

    MOS is 0 to 100 in the first (z-scored, then mapped) and 1 to 5 in the second; SD is on 1 to 5
    in both. The first counts where both are there, because it has the official division.
    """
    folders = {folder for path in tree.paths for folder in path.casefold().split("/")[:-1]}
    sizes = [size for size in ("1024x768", "512x384") if size in folders]
    images = tree.images(*sizes[:1])
    found = Reading((images,))
    file = tree.file("koniq10k_distributions_sets.csv", "koniq10k_scores_and_distributions.csv")
    for place, row in csv_rows(file, "image_name", *KONIQ_COUNTS, "c_total", "mos", "sd"):
        if path := images.find(row["image_name"]):
            name = row.get("set", "")
            if name and name not in KONIQ_SETS:
                raise ValueError(f"{place}: set {quoted(name)} is none of {', '.join(KONIQ_SETS)}")
            found.add(
                path,
                mos=number(place, row["mos"]),
                std=number(place, row["sd"]),
                votes=int(number(place, row["c_total"])),
                counts=tuple(number(place, row[c]) for c in KONIQ_COUNTS),
                split=KONIQ_SETS[name] if name else "",
            )
    place = sizes[0] if sizes else "any folder"
    found.notes.append(f"labels from {file.name}, images from {place}")
    if any((record.mos or 0) > KONIQ_HIGHEST_VOTE for record in found.records):
        found.records = [replace(record, std=None) for record in found.records]
        found.notes.append("MOS is on 0 to 100 and SD on 1 to 5: no std.csv")
    return found


def read_spaq(tree: SourceTree) -> Reading:
    """11125 photographs of smartphones.

    TestImage/00001.jpg
    Annotations/MOS and Image attribute scores.xlsx     Image name, MOS, Brightness, ...
    """
    images = tree.images("TestImage")
    found = Reading((images,))
    file = tree.file("MOS and Image attribute scores.xlsx")
    for place, row in sheet_rows(file, "Sheet1", "image name", "mos"):
        if path := images.find(row["image name"]):
            found.add(path, mos=number(place, row.get("mos")))
    return found


AGIQA3K = DataSet(
    "AGIQA-3K", "Li et al., IEEE Transactions on Circuits and Systems for Video Technology 2023",
    read_agiqa3k,
    scores="mos_quality as published, 0 to 5, higher is better; mos_align (how well the prompt is "
    "met) is left out",
    scale=(0, 5), rated=2982,
    split="by prompt, drawn: 20 % test, 10 % val",
    std="std_quality, as published",
)  # fmt: skip
BIQ2021 = DataSet(
    "BIQ2021", "Ahmed and Asif, Journal of Electronic Imaging 2022", read_biq2021,
    scores="MOS as published, 0 to 1, higher is better",
    scale=(0, 1), rated=12000,
    split="official (10000/2000); 10 % of the training images val, drawn",
)  # fmt: skip
CID2013 = DataSet(
    "CID2013", "Virtanen et al., IEEE Transactions on Image Processing 2015", read_cid2013,
    scores="Realigned MOS as published (one scale for all image sets), higher is better",
    scale=(-20, 100), rated=474,
    split="by image set, drawn: 20 % test, 10 % val",
)  # fmt: skip
CLIVE = DataSet(
    "LIVE In the Wild Challenge",
    "Ghadiyaram and Bovik, IEEE Transactions on Image Processing 2016", read_clive,
    scores="MOS as published, 0 to 100, higher is better",
    scale=(0, 100), rated=1162,
    split="drawn: 20 % test, 10 % val (the field: 80/20, 10 times)",
    std="AllStdDev_release, as published",
)  # fmt: skip
KONIQ10K = DataSet(
    "KonIQ-10k", "Hosu et al., IEEE Transactions on Image Processing 2020", read_koniq10k,
    scores="MOS as published, higher is better: 0 to 100, or 1 to 5, as the label file has it",
    scale=None, rated=10073,
    split="official (column set: 7058/1000/2015) where the label file has it; else drawn: 20 % "
    "test, 10 % val",
    std="SD of the votes, where MOS is on the scale of the votes, 1 to 5",
)  # fmt: skip
SPAQ = DataSet(
    "SPAQ", "Fang et al., CVPR 2020", read_spaq,
    scores="MOS as published, 0 to 100, higher is better",
    scale=(0, 100), rated=11125,
    split="drawn: 20 % test, 10 % val (the field: 80/20, 10 times)",
)  # fmt: skip
