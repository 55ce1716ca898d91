# Figures as png (shown in the report) and svg. On a cluster the submitting host draws them.


# One job for all figures of a paper's runs: reading the runs takes longer than drawing one.
for name in PAPERS.active():

    rule:
        name:
            f"figures_{name}"
        input:
            paper=f"<results>/papers/{name}.json",
            scores=f"<results>/scores/{name}.csv",
            runs=runs_of(name),
        output:
            [f"<results>/figures/{stem}.svg" for stem in targets.figures_of_runs(PAPERS, name)],
            matrices=[f"<results>/confusion/{stem}.csv" for stem in targets.confusions(PAPERS, name)],
            png=[
                report(f"<results>/figures/{stem}.png", category=name, **report_entry(stem))
                for stem in targets.figures_of_runs(PAPERS, name)
            ],
        log:
            f"<results>/logs/figures/{name}.log",
        benchmark:
            f"<results>/benchmarks/figures/{name}.tsv"
        localrule: True
        conda:
            "../../envs/serflow.yaml"
        params:
            code=code("figures"),
            runs=lambda wildcards, input: folders(input.runs),
            folder=lambda wildcards, output: str(Path(output.png[0]).parent),
            matrices=lambda wildcards, output: str(Path(output.matrices[0]).parents[2]),
        message:
            f"Drawing the figures of the runs of {name}"
        shell:
            "serflow figures --paper {input.paper:q} --scores {input.scores:q} --runs {params.runs:q}"
            " --folder {params.folder:q} --matrices {params.matrices:q} --log {log:q}"


rule figure_published:
    input:
        unpack(figure_inputs),
        paper="<results>/papers/{paper}.json",
    output:
        svg="<results>/figures/{paper}/{published}.svg",
        png=report(
            "<results>/figures/{paper}/{published}.png",
            category="{paper}",
            subcategory="3 Figures",
            caption="../report/published.rst",
            labels=figure_label,
        ),
    log:
        "<results>/logs/figure_published/{paper}/{published}.log",
    benchmark:
        "<results>/benchmarks/figure_published/{paper}/{published}.tsv"
    wildcard_constraints:
        paper=stems_of(targets.drawn_figures)[0],
        published=stems_of(targets.drawn_figures)[1],
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=lambda wildcards: code("figure_published", *kind_of_figure(wildcards)),
        inputs=figure_options,
        sounds=lambda wildcards, input: state_of_noise() if hasattr(input, "sounds") else "",
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
    message:
        "Drawing {wildcards.published} of {wildcards.paper}"
    shell:
        "serflow figure-published --paper {input.paper:q} --figure {wildcards.published} {params.inputs:q} --stem {params.stem:q}"
        " --log {log:q}"


rule figure_overview:
    input:
        table="<results>/tables/comparison.csv",
    output:
        svg="<results>/figures/comparison.svg",
        png=report(
            "<results>/figures/comparison.png",
            category="all papers",
            caption="../report/overview.rst",
            labels={"figure": "published and ours"},
        ),
    log:
        "<results>/logs/figure_overview/all.log",
    benchmark:
        "<results>/benchmarks/figure_overview/all.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("figure_overview"),
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
    message:
        "Drawing published and own scores of all papers"
    shell:
        "serflow figure-overview --comparison {input.table:q} --stem {params.stem:q} --log {log:q}"


rule figure_study:
    input:
        paper="<results>/papers/{paper}.json",
        table="<results>/tables/{paper}/studies/{study}.csv",
    output:
        svg="<results>/figures/{paper}/studies/{study}.svg",
        png=report(
            "<results>/figures/{paper}/studies/{study}.png",
            category="{paper}",
            subcategory="4 Sensitivity",
            caption="../report/study.rst",
            labels={"study": "{study}", "kind": "figure"},
        ),
    log:
        "<results>/logs/figure_study/{paper}/{study}.log",
    benchmark:
        "<results>/benchmarks/figure_study/{paper}/{study}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("figure_study"),
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
    message:
        "Drawing the study {wildcards.study} of {wildcards.paper}"
    shell:
        "serflow figure-study --paper {input.paper:q} --study {wildcards.study} --table {input.table:q}"
        " --stem {params.stem:q} --log {log:q}"
