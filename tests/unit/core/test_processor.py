"""The processor as Linux describes it."""

from condetr.core import processor

INTEL = "processor\t: 0\nmodel name\t: Some Xeon\nflags\t\t: fpu avx avx2 avx512f avx512_vnni amx_int8\nflags\t: none\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp sve\n"


def test_vector_units_have_the_names_that_people_use(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "_INFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(INTEL)
    assert processor.processor_name() == "Some Xeon"
    assert processor.vector_units() == ("AVX2", "AVX512", "AVX512-VNNI", "AMX")
    (tmp_path / "cpuinfo").write_text(ARM)
    assert processor.vector_units() == ("NEON", "NEON-dotprod", "SVE")


def test_a_system_that_does_not_say_it(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "_INFO", tmp_path / "missing")
    assert processor.vector_units() == ()
    assert processor.processor_name()
