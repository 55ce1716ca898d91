# From runs to scores and tables, of each paper and over all. Seconds each: on a cluster the submitting host makes them.


rule paper:
    input:
        paper=lambda wildcards: paper_file(wildcards.paper),
        code=code("papers/*.py", "config.py"),
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
        config=lambda wildcards: json.dumps(config_of(wildcards.paper), sort_keys=True),
    message:
        "Recording {wildcards.paper} as this configuration runs it"
    shell:
        "serflow paper {wildcards.paper} --config {params.config:q} --output {output:q} --log {log:q}"


rule scores:
    input:
        paper="<results>/papers/{paper}.json",
        runs=lambda wildcards: runs_of(wildcards.paper),
        manifests=lambda wildcards: manifests_of_paper(wildcards.paper),
        code=code("scoring/*.py", "runs.py"),
    output:
        "<results>/scores/{paper}.csv",
    log:
        "<results>/logs/scores/{paper}.log",
    benchmark:
        "<results>/benchmarks/scores/{paper}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        runs=lambda wildcards, input: folders(input.runs),
    message:
        "Scoring the runs of {wildcards.paper}"
    shell:
        "serflow evaluate --paper {input.paper:q} --runs {params.runs:q} --manifests {input.manifests:q}"
        " --output {output:q} --log {log:q}"


rule table:
    input:
        paper="<results>/papers/{paper}.json",
        scores="<results>/scores/{paper}.csv",
        runs=lambda wildcards: runs_of(wildcards.paper),
        code=code("tables/*.py"),
    output:
        multiext("<results>/tables/{paper}/{table}", csv=".csv", md=".md", tex=".tex"),
        html=report(
            "<results>/tables/{paper}/{table}.html",
            category="{paper}",
            subcategory="1 Tables",
            caption="../report/table.rst",
            labels={"table": "{table}"},
        ),
    log:
        "<results>/logs/table/{paper}/{table}.log",
    benchmark:
        "<results>/benchmarks/table/{paper}/{table}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        runs=lambda wildcards, input: folders(input.runs),
        stem=lambda wildcards, output: output.html.removesuffix(".html"),
    message:
        "Writing {wildcards.table} of {wildcards.paper}"
    shell:
        "serflow table --paper {input.paper:q} --table {wildcards.table} --scores {input.scores:q} --runs {params.runs:q}"
        " --stem {params.stem:q} --log {log:q}"


# One paper's table in noise may have the name of another one's table of scores.
ruleorder: table_noise > table


rule table_noise:
    input:
        paper="<results>/papers/{paper}.json",
        runs=lambda wildcards: runs_of_noise_table(wildcards.paper),
        noisy=lambda wildcards: noisy_of(wildcards.paper),
        manifests=lambda wildcards: manifests_of_paper(wildcards.paper),
        code=code("tables/*.py"),
    output:
        multiext("<results>/tables/{paper}/{noise_table}", csv=".csv", md=".md", tex=".tex"),
        html=report(
            "<results>/tables/{paper}/{noise_table}.html",
            category="{paper}",
            subcategory="1 Tables",
            caption="../report/table.rst",
            labels={"table": "{noise_table}"},
        ),
    log:
        "<results>/logs/table_noise/{paper}/{noise_table}.log",
    benchmark:
        "<results>/benchmarks/table_noise/{paper}/{noise_table}.tsv"
    wildcard_constraints:
        paper=stems_of(targets.noise_tables)[0],
        noise_table=stems_of(targets.noise_tables)[1],
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        runs=lambda wildcards, input: folders(input.runs),
        stem=lambda wildcards, output: output.html.removesuffix(".html"),
    message:
        "Writing {wildcards.noise_table} of {wildcards.paper}"
    shell:
        "serflow table-noise --paper {input.paper:q} --runs {params.runs:q} --noisy {input.noisy:q}"
        " --manifests {input.manifests:q} --stem {params.stem:q} --log {log:q}"


rule table_study:
    input:
        paper="<results>/papers/{paper}.json",
        runs=lambda wildcards: runs_of(wildcards.paper, wildcards.study),
        manifests=lambda wildcards: manifests_of_paper(wildcards.paper),
        code=code("tables/*.py"),
    output:
        multiext("<results>/tables/{paper}/studies/{study}", csv=".csv", md=".md", tex=".tex"),
        html=report(
            "<results>/tables/{paper}/studies/{study}.html",
            category="{paper}",
            subcategory="4 Studies",
            caption="../report/table.rst",
            labels={"study": "{study}", "kind": "table"},
        ),
    log:
        "<results>/logs/table_study/{paper}/{study}.log",
    benchmark:
        "<results>/benchmarks/table_study/{paper}/{study}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        runs=lambda wildcards, input: folders(input.runs),
        stem=lambda wildcards, output: output.html.removesuffix(".html"),
    message:
        "Writing the study {wildcards.study} of {wildcards.paper}"
    shell:
        "serflow table-study --paper {input.paper:q} --study {wildcards.study} --runs {params.runs:q}"
        " --manifests {input.manifests:q} --stem {params.stem:q} --log {log:q}"


rule table_data:
    input:
        paper="<results>/papers/{paper}.json",
        reports=lambda wildcards: [path.replace(".csv", ".json") for path in manifests_of_paper(wildcards.paper)],
        leaks=lambda wildcards: list(leaks_of(wildcards.paper)),
        code=code("tables/*.py"),
    output:
        multiext("<results>/tables/{paper}/data", csv=".csv", md=".md", tex=".tex"),
        html=report(
            "<results>/tables/{paper}/data.html",
            category="{paper}",
            subcategory="1 Tables",
            caption="../report/data.rst",
            labels={"table": "corpora and splits"},
        ),
    log:
        "<results>/logs/table_data/{paper}.log",
    benchmark:
        "<results>/benchmarks/table_data/{paper}.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        leaks=lambda wildcards, input: [
            f"{key}:{path}" for key, path in zip(leaks_of(wildcards.paper).values(), input.leaks)
        ],
        stem=lambda wildcards, output: output.html.removesuffix(".html"),
    message:
        "Writing the table of {wildcards.paper}'s corpora and splits"
    shell:
        "serflow table-data --paper {input.paper:q} --reports {input.reports:q} --leaks {params.leaks:q}"
        " --stem {params.stem:q} --log {log:q}"


rule overview:
    input:
        papers=expand("<results>/papers/{paper}.json", paper=PAPERS.papers),
        scores=expand("<results>/scores/{paper}.csv", paper=PAPERS.active()),
        runs=[run for paper in PAPERS.active() for run in runs_of(paper)],
        code=code("tables/*.py"),
    output:
        multiext("<results>/tables/comparison", csv=".csv", md=".md", tex=".tex"),
        html=report(
            "<results>/tables/comparison.html",
            category="all papers",
            caption="../report/overview.rst",
            labels={"table": "published and ours"},
        ),
    log:
        "<results>/logs/overview/all.log",
    benchmark:
        "<results>/benchmarks/overview/all.tsv"
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        runs=lambda wildcards, input: folders(input.runs),
        stem=lambda wildcards, output: output.html.removesuffix(".html"),
    message:
        "Writing the comparison of all papers"
    shell:
        "serflow compare --papers {input.papers:q} --scores {input.scores:q} --runs {params.runs:q}"
        " --stem {params.stem:q} --log {log:q}"


rule costs:
    input:
        runs=[run for paper in PAPERS.active() for run in runs_of(paper)],
        last=[path for paper in PAPERS.active() for path in (*tables_of(paper), *figures_of(paper))],
        code=code("tables/*.py"),
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
        runs=lambda wildcards, input: folders(input.runs),
        benchmarks=f"{CONFIG['results']}/benchmarks",
        stem=lambda wildcards, output: output.html.removesuffix(".html"),
    message:
        "Adding up what the reproduction costs"
    shell:
        "serflow costs --benchmarks {params.benchmarks:q} --runs {params.runs:q} --stem {params.stem:q} --log {log:q}"
