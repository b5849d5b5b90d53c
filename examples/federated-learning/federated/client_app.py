"""What runs at a site: Flower starts a fresh process of this for each message."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from federated import data, faults, model
from federated.config import RunConfig

app = ClientApp()


def _own(context: Context) -> tuple[RunConfig, int, data.Samples, data.Samples]:
    config = RunConfig.from_flower(context.run_config)
    site = int(context.node_config["site"])
    train, holdout = data.site_data(site, config.sites, config.alpha, config.digits, config.seed)
    return config, site, train, holdout


@app.train()
def train(message: Message, context: Context) -> Message:
    """Evaluates the global model on own images, trains it on others of them, sends it back."""
    config, site, samples, holdout = _own(context)
    number = int(message.content["config"]["server-round"])
    model.configure()
    network = model.build(config.seed)
    received = message.content["arrays"].to_numpy_ndarrays()
    network.set_weights(received)
    before = model.accuracy(network, holdout)
    seed = model.shuffle_seed(config.seed, number, site)
    model.fit_round(network, samples, config, seed=seed)
    trained = faults.apply(
        str(context.node_config.get("misbehave", "")), received, network.get_weights()
    )
    metrics = {
        "num-examples": len(samples),
        "before": before,
        "after": model.accuracy(network, holdout),
        "loss": float(network.evaluate(samples.images, samples.labels, verbose=0)),
    }
    content = RecordDict({"arrays": ArrayRecord(trained), "metrics": MetricRecord(metrics)})
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    config, _, _, holdout = _own(context)
    model.configure()
    network = model.build(config.seed)
    network.set_weights(message.content["arrays"].to_numpy_ndarrays())
    metrics = {"num-examples": len(holdout), "accuracy": model.accuracy(network, holdout)}
    return Message(content=RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)
