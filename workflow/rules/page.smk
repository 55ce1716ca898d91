# The results page: what was found, in one file; and the same of each paper alone, for those who run one.


rule page:
    input:
        papers=lambda wildcards: expand("<results>/papers/{paper}.json", paper=PAGES[wildcards.page]),
        scores=lambda wildcards: expand("<results>/scores/{paper}.csv", paper=active_on(wildcards.page)),
        runs=lambda wildcards: [run for paper in active_on(wildcards.page) for run in runs_of(paper)],
        manifests=lambda wildcards: [f"<results>/manifests/{corpus}.csv" for corpus in shown_corpora(wildcards.page)],
        roots=lambda wildcards: [recordings(corpus) for corpus in shown_corpora(wildcards.page)],
        shown=lambda wildcards: [
            path for paper in active_on(wildcards.page) for path in (*tables_of(paper), *figures_of(paper))
        ],
        costs=lambda wildcards: "<results>/tables/costs.html" if wildcards.page == "index" else [],
    output:
        "<results>/{page}.html",
    log:
        "<results>/logs/page/{page}.log",
    benchmark:
        "<results>/benchmarks/page/{page}.tsv"
    wildcard_constraints:
        page=any_of(PAGES),
    localrule: True
    conda:
        "../../envs/serflow.yaml"
    params:
        code=code("page"),
        assets=[digest_file(path) for path in sorted((CLONE / "workflow/serflow/page/assets").iterdir())],
        runs=lambda wildcards, input: folders(input.runs),
        costs=lambda wildcards, input: (["--costs", input.costs] if input.costs else []),
        shown=lambda wildcards, input: [path for path in input.shown if path.endswith((".html", ".png"))],
        results=lambda wildcards, output: str(Path(output[0]).parent),
    message:
        "Writing the results page {wildcards.page}.html"
    shell:
        "serflow page --papers {input.papers:q} --scores {input.scores:q} --runs {params.runs:q}"
        " --manifests {input.manifests:q} --roots {input.roots:q} {params.costs:q} --results {params.results:q}"
        " --shown {params.shown:q}"
        " --output {output:q} --log {log:q}"
