# From an archive, a folder or nothing (demo) to a manifest.


rule fetch:
    output:
        "<resources>/archives/{archive}",
    log:
        "<results>/logs/fetch/{archive}.log",
    benchmark:
        "<results>/benchmarks/fetch/{archive}.tsv"
    localrule: True  # nodes of a cluster often have no network
    conda:
        "../../envs/serflow.yaml"
    params:
        corpus=corpus_of_archive,
    message:
        "Downloading {wildcards.archive}"
    shell:
        "serflow fetch {params.corpus:q} --output {output:q} --log {log:q}"


rule extract:
    input:
        lambda wildcards: archive(wildcards.corpus),
    output:
        directory("<resources>/corpora/{corpus}"),
    log:
        "<results>/logs/extract/{corpus}.log",
    benchmark:
        "<results>/benchmarks/extract/{corpus}.tsv"
    conda:
        "../../envs/serflow.yaml"
    params:
        state=lambda wildcards: state_of_archive(wildcards.corpus),
    message:
        "Extracting {input}"
    shell:
        "serflow extract --archive {input:q} --output {output:q} --log {log:q}"


rule demo:
    output:
        directory("<results>/corpora/{corpus}"),
    log:
        "<results>/logs/demo/{corpus}.log",
    benchmark:
        "<results>/benchmarks/demo/{corpus}.tsv"
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("demo"),
    message:
        "Generating the synthetic demo corpus in the form of {wildcards.corpus}"
    shell:
        "serflow demo {wildcards.corpus} --output {output:q} --log {log:q}"


rule manifest:
    input:
        tree=lambda wildcards: recordings(wildcards.corpus),
        tables=lambda wildcards: tables_of_corpora([wildcards.corpus]),
    output:
        manifest="<results>/manifests/{corpus}.csv",
        report="<results>/manifests/{corpus}.json",
    log:
        "<results>/logs/manifest/{corpus}.log",
    benchmark:
        "<results>/benchmarks/manifest/{corpus}.tsv"
    conda:
        "../../envs/serflow.yaml"
    threads: 4
    params:
        code=lambda wildcards: code("manifest", *kinds_of_corpora([wildcards.corpus])),
        tables=lambda wildcards: table_options([wildcards.corpus]),
        labels=lambda wildcards: labels_of_corpora(wildcards.corpus),
        state=lambda wildcards: state_of(wildcards.corpus),
    message:
        "Reading the recordings of {wildcards.corpus} into a manifest"
    shell:
        "serflow manifest {wildcards.corpus} --root {input.tree:q} --output {output.manifest:q} --report {output.report:q}"
        " --workers {threads} {params.tables:q} --log {log:q}"
