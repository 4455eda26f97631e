"""The functions of the module, as `dagger call` offers them.

Each says what it takes and calls `pipeline`.

All of them have the cache policy "session": within one call nothing runs twice, and no
later call is answered from it. No argument may have the name of an option of the CLI
itself (`--workdir`, `--progress`, …), which would take it.
"""

import json
from typing import Annotated

import dagger
from aideator_module import pipeline
from aideator_module.pipeline import IMAGE, PLATFORM_FILES, Place, Visible
from dagger import DefaultPath, Doc, Ignore, dag, function, object_type

Platform = Annotated[
    dagger.Directory,
    DefaultPath("src/aideator"),
    Ignore(PLATFORM_FILES),
    Doc("The Python package `aideator`; that of the module's own checkout when absent"),
]
Source = Annotated[dagger.Directory, Doc("The repository")]
Image = Annotated[str, Doc("Container image with Python 3.11 or later")]
RunId = Annotated[
    str, Doc("A new UUID for each call, or an earlier result may be replayed")
]
CacheVolume = Annotated[
    str, Doc("Cache volume for the platform's downloads; no agent sees it")
]
Directory = Annotated[str, Doc("Where the repository lies in the container")]
RepoUrl = Annotated[str, Doc("An https URL of a git repository")]
Prompt = Annotated[str, Doc("What the agent is asked to do")]
PromptFile = Annotated[
    dagger.File | None, Doc("A file with the prompt, to keep it off the command line")
]
VariationId = Annotated[str, Doc("Which of the variations this is, from 1")]
Key = Annotated[
    dagger.Secret, Doc("The provider's key, by reference: env:ANTHROPIC_API_KEY")
]
AgentConfig = Annotated[
    str, Doc("JSON object: model, max_turns, effort, temperature, instructions")
]
Events = Annotated[
    dagger.Socket | None,
    Doc("Where each message goes as it comes: unix:///path/of/a/socket"),
]
Ref = Annotated[str, Doc("Branch, tag or commit; the default branch when absent")]
BaseUrl = Annotated[str, Doc("Another endpoint of the Messages API")]
Seconds = Annotated[int, Doc("Wall-clock time")]
MODEL_URL = "https://api.anthropic.com"


@object_type
class Aideator:
    """Coding agents in containers: each on its own copy of a repository."""

    @function(cache="session")
    def sandbox(
        self,
        source: Source,
        host: Annotated[
            dagger.Socket, Doc("Where the shim dials home: unix:///path/of/a/socket")
        ],
        order: Annotated[str, Doc("JSON object for the launcher: places and limits")],
        run_id: RunId,
        platform: Platform,
        image: Image = IMAGE,
        cache_volume: CacheVolume = "",
        changes: Annotated[
            list[dagger.File] | None, Doc("Changes to apply above the source")
        ] = None,
        directories: Annotated[
            list[dagger.Directory] | None, Doc("Further directories, read-only")
        ] = None,
        files: Annotated[
            list[dagger.File] | None, Doc("Further files, read-only")
        ] = None,
    ) -> dagger.Container:
        """Open a sandbox for an AIdeator server.

        Its stdout is the final record, when the server has closed it.
        """
        visible = Visible(changes or (), directories or (), files or ())
        place = Place(image, platform, cache_volume)
        return pipeline.sandbox(
            dag, place, source, host, json.loads(order), run_id, visible
        )

    @function(cache="session")
    async def stream_agent(
        self,
        repo_url: RepoUrl,
        variation_id: VariationId,
        anthropic_api_key: Key,
        platform: Platform,
        prompt: Prompt = "",
        run_id: RunId = "",
        agent_config: AgentConfig = "{}",
        events: Events = None,
        prompt_file: PromptFile = None,
        ref: Ref = "",
        base_url: BaseUrl = MODEL_URL,
        image: Image = IMAGE,
        cache_volume: CacheVolume = "",
        directory: Directory = "/workspace",
        seconds: Seconds = 1800,
    ) -> dagger.Container:
        """Let the built-in agent work on a repository, without an AIdeator server.

        Ask for its `stdout`.
        """
        text = await prompt_file.contents() if prompt_file else prompt
        task = pipeline.agent_task(
            text, agent_config, run_id, variation_id, base_url, seconds
        )
        repository = dag.git(repo_url)
        source = (repository.ref(ref) if ref else repository.head()).tree()
        place = Place(image, platform, cache_volume)
        return pipeline.agent(
            dag,
            place,
            source,
            task,
            anthropic_api_key,
            events=events,
            workdir=directory,
        )

    @function(cache="session")
    async def run_agent(
        self,
        repo_url: RepoUrl,
        variation_id: VariationId,
        anthropic_api_key: Key,
        platform: Platform,
        prompt: Prompt = "",
        run_id: RunId = "",
        agent_config: AgentConfig = "{}",
        events: Events = None,
        prompt_file: PromptFile = None,
        ref: Ref = "",
        base_url: BaseUrl = MODEL_URL,
        image: Image = IMAGE,
        cache_volume: CacheVolume = "",
        directory: Directory = "/workspace",
        seconds: Seconds = 1800,
    ) -> str:
        """Do the same, and return JSON: exit_code, stop_reason, message, patch, stats and what held it in."""
        container = await self.stream_agent(
            repo_url=repo_url,
            variation_id=variation_id,
            anthropic_api_key=anthropic_api_key,
            platform=platform,
            prompt=prompt,
            run_id=run_id,
            agent_config=agent_config,
            events=events,
            prompt_file=prompt_file,
            ref=ref,
            base_url=base_url,
            image=image,
            cache_volume=cache_volume,
            directory=directory,
            seconds=seconds,
        )
        return await container.stdout()

    @function(cache="session")
    async def run_check(
        self,
        source: Source,
        command: Annotated[str, Doc("A shell command, such as `python -m pytest -q`")],
        platform: Platform,
        patch: Annotated[
            dagger.File | None,
            Doc("A patch to apply first, as `git diff --binary` writes it"),
        ] = None,
        run_id: RunId = "",
        image: Image = IMAGE,
        cache_volume: CacheVolume = "",
        directory: Directory = "/workspace",
        seconds: Seconds = 600,
    ) -> str:
        """Run a command on a repository with a patch, and return JSON: exit_code, output, seconds, what held it in."""
        task = pipeline.check_task(command, run_id, seconds, patched=patch is not None)
        container = pipeline.check(
            dag,
            Place(image, platform, cache_volume),
            source,
            patch,
            task,
            workdir=directory,
        )
        return await container.stdout()

    @function(cache="session")
    def image(
        self, platform: Platform, image: Image = IMAGE, cache_volume: CacheVolume = ""
    ) -> dagger.Container:
        """The image with git and the agent's packages: publish it for engines that cannot reach a package index."""
        return pipeline.toolbox(dag, Place(image, platform, cache_volume))
