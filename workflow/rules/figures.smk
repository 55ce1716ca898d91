# One job per figure, as png (shown in the report) and svg. On a cluster the submitting host draws them.


rule figure_confusion:
    input:
        paper="<results>/papers/{paper}.json",
        runs=lambda wildcards: runs_of(**wildcards),
    output:
        matrix="<results>/confusion/{paper}/{corpus}/{system}/{protocol}.csv",
        svg="<results>/figures/{paper}/{corpus}/{system}/{protocol}/confusion.svg",
        png=report(
            "<results>/figures/{paper}/{corpus}/{system}/{protocol}/confusion.png",
            category="{paper}",
            subcategory="2 Confusion matrices",
            caption="../report/confusion.rst",
            labels={
                "system": "{system}",
                "corpus": "{corpus}",
                "protocol": "{protocol}",
            },
        ),
    log:
        "<results>/logs/figure_confusion/{paper}/{corpus}/{system}/{protocol}.log",
    benchmark:
        "<results>/benchmarks/figure_confusion/{paper}/{corpus}/{system}/{protocol}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("figure_confusion"),
        runs=lambda wildcards, input: folders(input.runs),
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
    message:
        "Drawing confusions of {wildcards.system} on {wildcards.corpus}: {wildcards.protocol}"
    shell:
        "serflow figure-confusion --paper {input.paper:q} --runs {params.runs:q} --matrix {output.matrix:q}"
        " --stem {params.stem:q} --log {log:q}"


rule figure_curves:
    input:
        paper="<results>/papers/{paper}.json",
        runs=lambda wildcards: runs_of(**wildcards),
    output:
        svg="<results>/figures/{paper}/{corpus}/{system}/curves.svg",
        png=report(
            "<results>/figures/{paper}/{corpus}/{system}/curves.png",
            category="{paper}",
            subcategory="3 Figures",
            caption="../report/curves.rst",
            labels={
                "figure": "training curves",
                "system": "{system}",
                "corpus": "{corpus}",
            },
        ),
    log:
        "<results>/logs/figure_curves/{paper}/{corpus}/{system}.log",
    benchmark:
        "<results>/benchmarks/figure_curves/{paper}/{corpus}/{system}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("figure_curves"),
        runs=lambda wildcards, input: folders(input.runs),
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
    message:
        "Drawing training curves of {wildcards.system} on {wildcards.corpus}"
    shell:
        "serflow figure-curves --paper {input.paper:q} --runs {params.runs:q} --stem {params.stem:q} --log {log:q}"


rule figure_comparison:
    input:
        paper="<results>/papers/{paper}.json",
        scores="<results>/scores/{paper}.csv",
    output:
        svg="<results>/figures/{paper}/comparison.svg",
        png=report(
            "<results>/figures/{paper}/comparison.png",
            category="{paper}",
            subcategory="3 Figures",
            caption="../report/comparison.rst",
            labels={"figure": "published and ours"},
        ),
    log:
        "<results>/logs/figure_comparison/{paper}.log",
    benchmark:
        "<results>/benchmarks/figure_comparison/{paper}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("figure_comparison"),
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
    message:
        "Drawing published and own scores of {wildcards.paper}"
    shell:
        "serflow figure-comparison --paper {input.paper:q} --scores {input.scores:q} --stem {params.stem:q} --log {log:q}"


rule figure_speakers:
    input:
        paper="<results>/papers/{paper}.json",
        scores="<results>/scores/{paper}.csv",
    output:
        svg="<results>/figures/{paper}/speakers.svg",
        png=report(
            "<results>/figures/{paper}/speakers.png",
            category="{paper}",
            subcategory="3 Figures",
            caption="../report/speakers.rst",
            labels={"figure": "speakers"},
        ),
    log:
        "<results>/logs/figure_speakers/{paper}.log",
    benchmark:
        "<results>/benchmarks/figure_speakers/{paper}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("figure_speakers"),
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
    message:
        "Drawing the speakers of {wildcards.paper}"
    shell:
        "serflow figure-speakers --paper {input.paper:q} --scores {input.scores:q} --stem {params.stem:q} --log {log:q}"


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
            labels={"figure": "{published}"},
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
