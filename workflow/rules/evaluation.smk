# From runs to scores and tables, of each paper and over all. Seconds each: on a cluster the submitting host makes them.


rule paper:
    input:
        paper=lambda wildcards: paper_file(wildcards.paper),
        protocols=shared_protocols(),
        tables=tables_of_corpora(registry.known()),
    output:
        "<results>/papers/{paper}.json",
    log:
        "<results>/logs/paper/{paper}.log",
    benchmark:
        "<results>/benchmarks/paper/{paper}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=lambda wildcards: code("paper_record", *kinds_of_paper(wildcards.paper)),
        config=lambda wildcards: config_of(wildcards.paper),
        files=labels_of_corpora(*registry.known()),
        left_out=lambda wildcards: PAPERS.left_out(wildcards.paper),  # for want of a library, which is no setting
    message:
        "Recording {wildcards.paper} as this configuration runs it"
    shell:
        "serflow paper {wildcards.paper} --config {params.config:q} --output {output:q} --log {log:q}"


rule scores:
    input:
        paper="<results>/papers/{paper}.json",
        runs=lambda wildcards: runs_of(wildcards.paper),
        manifests=lambda wildcards: manifests_of_paper(wildcards.paper),
    output:
        scores="<results>/scores/{paper}.csv",
        gaps="<results>/gaps/{paper}.csv",
    log:
        "<results>/logs/scores/{paper}.log",
    benchmark:
        "<results>/benchmarks/scores/{paper}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("scores"),
        runs=lambda wildcards, input: folders(input.runs),
    message:
        "Scoring the runs of {wildcards.paper}"
    shell:
        "serflow scores --paper {input.paper:q} --runs {params.runs:q} --manifests {input.manifests:q}"
        " --output {output.scores:q} --gaps {output.gaps:q} --log {log:q}"


# One job for all tables of a paper: reading its runs takes longer than writing a table.
for name in PAPERS.active():

    rule:
        name:
            f"tables_{name}"
        input:
            paper=f"<results>/papers/{name}.json",
            scores=f"<results>/scores/{name}.csv",
            gaps=f"<results>/gaps/{name}.csv",
            runs=runs_of(name),
            manifests=manifests_of_paper(name),
            reports=manifests_of_paper(name, "json"),
            splits=splits_of(name, "json"),
            noisy=noisy_of(name),
        output:
            [path for path in tables_of(name) if not path.endswith(".html")],
            [
                report(
                    path,
                    category=name,
                    subcategory="1 Tables",
                    caption="../report/data.rst" if Path(path).stem == "data" else "../report/table.rst",
                    labels={"table": "corpora and splits" if Path(path).stem == "data" else Path(path).stem},
                )
                for path in tables_of(name)
                if path.endswith(".html")
            ],
        log:
            f"<results>/logs/tables/{name}.log",
        benchmark:
            f"<results>/benchmarks/tables/{name}.tsv"
        localrule: True
        conda:
            "../../envs/serflow.yaml"
        params:
            code=code("tables"),
            runs=lambda wildcards, input: folders(input.runs),
            noisy=lambda wildcards, input: (["--noisy", *input.noisy] if input.noisy else []),
            folder=lambda wildcards, output: str(Path(output[0]).parent),
        message:
            f"Writing the tables of {name}"
        shell:
            "serflow tables --paper {input.paper:q} --scores {input.scores:q} --gaps {input.gaps:q} --runs {params.runs:q}"
            " --manifests {input.manifests:q} --splits {input.splits:q} {params.noisy:q} --folder {params.folder:q}"
            " --log {log:q}"


rule study_table:
    input:
        paper="<results>/papers/{paper}.json",
        runs=lambda wildcards: runs_of(wildcards.paper, wildcards.study),
        manifests=lambda wildcards: manifests_of_paper(wildcards.paper),
    output:
        multiext("<results>/tables/{paper}/studies/{study}", csv=".csv", md=".md", tex=".tex"),
        html=report(
            "<results>/tables/{paper}/studies/{study}.html",
            category="{paper}",
            subcategory="4 Sensitivity",
            caption="../report/study.rst",
            labels={"study": "{study}", "kind": "table"},
        ),
    log:
        "<results>/logs/study_table/{paper}/{study}.log",
    benchmark:
        "<results>/benchmarks/study_table/{paper}/{study}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("study_table"),
        runs=lambda wildcards, input: folders(input.runs),
        stem=lambda wildcards, output: output.html.removesuffix(".html"),
    message:
        "Writing the study {wildcards.study} of {wildcards.paper}"
    shell:
        "serflow study-table --paper {input.paper:q} --study {wildcards.study} --runs {params.runs:q}"
        " --manifests {input.manifests:q} --stem {params.stem:q} --log {log:q}"


rule comparison:
    input:
        papers=expand("<results>/papers/{paper}.json", paper=PAPERS.papers),
        scores=expand("<results>/scores/{paper}.csv", paper=PAPERS.active()),
        gaps=expand("<results>/gaps/{paper}.csv", paper=PAPERS.active()),
        runs=[run for paper in PAPERS.active() for run in runs_of(paper)],
    output:
        multiext("<results>/tables/comparison", csv=".csv", md=".md", tex=".tex"),
        html=report(
            "<results>/tables/comparison.html",
            category="all papers",
            caption="../report/overview.rst",
            labels={"table": "published and ours"},
        ),
    log:
        "<results>/logs/comparison/all.log",
    benchmark:
        "<results>/benchmarks/comparison/all.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("comparison"),
        runs=lambda wildcards, input: folders(input.runs),
        stem=lambda wildcards, output: output.html.removesuffix(".html"),
    message:
        "Writing the comparison of all papers"
    shell:
        "serflow comparison --papers {input.papers:q} --scores {input.scores:q} --gaps {input.gaps:q}"
        " --runs {params.runs:q} --stem {params.stem:q} --log {log:q}"


rule costs:
    input:
        runs=[run for paper in PAPERS.active() for run in runs_of(paper)],
        last=[path for paper in PAPERS.active() for path in (*tables_of(paper), *figures_of(paper))],
    output:
        multiext("<results>/tables/costs", csv=".csv", md=".md", tex=".tex"),
        html=report(
            "<results>/tables/costs.html",
            category="all papers",
            caption="../report/costs.rst",
            labels={"table": "what the reproduction costs"},
        ),
    log:
        "<results>/logs/costs/all.log",
    benchmark:
        "<results>/benchmarks/costs/all.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("costs"),
        runs=lambda wildcards, input: folders(input.runs),
        benchmarks=f"{CONFIG.results}/benchmarks",
        synthetic=(
            ["--synthetic"]
            if any(
                CONFIG.source(name) == "demo"
                for paper in PAPERS.active()
                for corpus in PAPERS.corpora(paper)
                for name in members(corpus)
            )
            else []
        ),
        stem=lambda wildcards, output: output.html.removesuffix(".html"),
    message:
        "Adding up what the reproduction costs"
    shell:
        "serflow costs --benchmarks {params.benchmarks:q} --runs {params.runs:q} --stem {params.stem:q} {params.synthetic:q} --log {log:q}"
