# MLflow: replays what the files say, so that trainings never wait for it. On a cluster the submitting host does.


rule track:
    input:
        paper="<results>/papers/{paper}.json",
        scores="<results>/scores/{paper}.csv",
        runs=lambda wildcards: runs_of(wildcards.paper),
        manifests=lambda wildcards: manifests_of_paper(wildcards.paper),
        splits=lambda wildcards: splits_of(wildcards.paper),
        artifacts=lambda wildcards: [*tables_of(wildcards.paper), *figures_of(wildcards.paper)],
    output:
        "<results>/tracking/{paper}.json",
    log:
        "<results>/logs/track/{paper}.log",
    benchmark:
        "<results>/benchmarks/track/{paper}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    # One at a time, see common.smk.
    resources:
        tracking=1,
    params:
        code=code("track"),
        uri=tracking_uri(),
        prefix=CONFIG.tracking.prefix or "",
        runs=lambda wildcards, input: folders(input.runs),
        results=lambda wildcards, output: str(Path(output[0]).parents[1]),
    message:
        "Logging the runs of {wildcards.paper} to MLflow"
    shell:
        "serflow track --uri {params.uri:q} --prefix={params.prefix:q} --paper {input.paper:q} --runs {params.runs:q}"
        " --scores {input.scores:q} --artifacts {input.artifacts:q} --results {params.results:q}"
        " --output {output:q} --log {log:q}"


rule track_overview:
    input:
        artifacts=overview(),
    output:
        "<results>/tracking/comparison.json",
    log:
        "<results>/logs/track_overview/all.log",
    benchmark:
        "<results>/benchmarks/track_overview/all.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    resources:
        tracking=1,
    params:
        code=code("track_overview"),
        uri=tracking_uri(),
        prefix=CONFIG.tracking.prefix or "",
        results=lambda wildcards, output: str(Path(output[0]).parents[1]),
    message:
        "Logging the comparison of all papers to MLflow"
    shell:
        "serflow track-overview --uri {params.uri:q} --prefix={params.prefix:q} --artifacts {input.artifacts:q}"
        " --results {params.results:q} --output {output:q} --log {log:q}"
