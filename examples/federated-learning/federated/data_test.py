import numpy as np
import pytest

from federated import data


def images(samples: data.Samples) -> set[bytes]:
    return {image.tobytes() for image in samples.images}


def test_no_image_is_in_two_parts_and_none_is_lost() -> None:
    parts = data.split(1)
    sizes = [len(part) for part in (parts.federated, parts.validation, parts.test, parts.newcomer)]
    assert sum(sizes) == len(data.all_digits()) == 1797
    # The data set itself has no two equal images, so equal means the same.
    assert len(images(data.all_digits())) == 1797
    together = images(parts.federated) | images(parts.validation)
    together |= images(parts.test) | images(parts.newcomer)
    assert len(together) == 1797


def test_every_part_has_every_class_in_proportion() -> None:
    parts = data.split(3)
    for part in (parts.federated, parts.validation, parts.test, parts.newcomer):
        shares = np.bincount(part.labels, minlength=10) / len(part)
        assert shares.min() > 0.08
        assert shares.max() < 0.12


def test_sites_share_out_all_images_and_none_twice() -> None:
    pool = data.split(1).federated
    shards = data.shard(pool.labels, 4, 0.5, 1)
    together = np.concatenate(shards)
    assert len(together) == len(np.unique(together)) == len(pool)


def test_a_smaller_alpha_gives_more_unequal_shares() -> None:
    labels = data.split(1).federated.labels

    def skew(alpha: float) -> float:
        shards = data.shard(labels, 4, alpha, 1)
        shares = [np.bincount(labels[index], minlength=10) / len(index) for index in shards]
        return float(np.mean([share.max() for share in shares]))

    assert skew(0.3) > skew(100.0) + 0.1


def test_shares_follow_from_the_seed() -> None:
    first = data.site_data(2, 4, 0.5, "0123456789", 7)
    again = data.site_data(2, 4, 0.5, "0123456789", 7)
    other = data.site_data(2, 4, 0.5, "0123456789", 8)
    assert np.array_equal(first[0].images, again[0].images)
    assert first[0].images.shape != other[0].images.shape or not np.array_equal(
        first[0].images, other[0].images
    )


def test_a_sites_holdout_is_not_trained_on() -> None:
    train, holdout = data.site_data(0, 4, 0.5, "0123456789", 1)
    assert not images(train) & images(holdout)
    assert len(holdout) >= 1


def test_a_site_has_only_the_digits_of_its_federation() -> None:
    train, holdout = data.site_data(1, 4, 0.5, "01234", 1)
    assert set(train.labels) | set(holdout.labels) <= {0, 1, 2, 3, 4}


def test_impossible_shares_are_refused_with_what_to_do() -> None:
    labels = data.split(1).federated.labels
    with pytest.raises(ValueError, match="raise alpha"):
        data.shard(labels, 40, 0.01, 1)
    with pytest.raises(ValueError, match="at most"):
        data.shard(labels, 64, 100.0, 1)
    with pytest.raises(ValueError, match="counted from 0"):
        data.site_data(4, 4, 0.5, "0123456789", 1)


def test_the_bad_camera_keeps_labels_and_range_and_lowers_contrast() -> None:
    clean = data.split(1).newcomer
    bad = data.noisy(clean, 1, noise=0.0)
    assert np.array_equal(bad.labels, clean.labels)
    assert bad.images.min() >= 0.29
    assert bad.images.max() <= 0.71
    grainy = data.noisy(clean, 1)
    assert grainy.images.min() >= 0.0
    assert grainy.images.max() <= 1.0
    assert not np.array_equal(grainy.images, bad.images)


def test_few_labels_are_equally_many_of_each_class_and_the_rest_is_apart() -> None:
    pool = data.split(1).newcomer.only("56789")
    labelled, rest = data.few_labels(pool, 50, 1)
    assert np.bincount(labelled.labels, minlength=10)[5:].tolist() == [10] * 5
    assert len(labelled) + len(rest) == len(pool)
    assert not images(labelled) & images(rest)
    with pytest.raises(ValueError, match="multiple of 5"):
        data.few_labels(pool, 52, 1)
