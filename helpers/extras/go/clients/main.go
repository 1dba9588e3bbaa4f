// Two clients of Kafka in Go, franz-go and kafka-go, each used as its own first example has it.
//
//	clients produce CLIENT SERVERS TOPIC [plain | murmur2]  lines of standard input: KEY, tab, ORDER
//	clients consume CLIENT SERVERS TOPIC GROUP [STUCK-AT] [range]  until it is killed
//	clients send-through CLIENT SERVERS TOPIC [all]  order 0; stops itself; goes on with 1 to 100
//	clients defaults  what is set where nobody has set anything: CLIENT, tab, SETTING, tab, VALUE
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	orders   = 100             // that are sent after the pause
	patience = 3 * time.Second // after which a silent member counts as dead
	restart  = 100             // attempts, enough for a broker's restart
)

var ctx = context.Background()

type order struct{ key, value string }

func main() {
	arguments := append(os.Args[1:], make([]string, 7)...)
	command, client, servers, topic := arguments[0], arguments[1], arguments[2], arguments[3]
	switch command + " " + client {
	case "produce franz-go":
		produceFranz(servers, topic, input(), arguments[4] == "plain")
	case "produce kafka-go":
		produceKafkaGo(servers, topic, input(), arguments[4] == "murmur2")
	case "consume franz-go":
		consumeFranz(servers, topic, arguments[4], arguments[5], arguments[6] == "range")
	case "consume kafka-go":
		consumeKafkaGo(servers, topic, arguments[4], arguments[5])
	case "send-through franz-go":
		throughFranz(servers, topic)
	case "send-through kafka-go":
		throughKafkaGo(servers, topic, arguments[4] == "all")
	case "defaults ":
		defaults()
	default:
		log.Fatalf("unknown: %s %s", command, client)
	}
}

// --- produce: the listings of the two READMEs ---------------------------------------------------

func produceFranz(servers, topic string, all []order, plain bool) {
	options := []kgo.Opt{kgo.SeedBrokers(servers)}
	if plain {
		options = append(options, kgo.ProducerBatchCompression(kgo.NoCompression()))
	}
	client, err := kgo.NewClient(options...)
	check(err)
	defer client.Close()
	for _, one := range all {
		record := &kgo.Record{Topic: topic, Key: []byte(one.key), Value: []byte(one.value)}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) { check(err) })
	}
	check(client.Flush(ctx))
}

func produceKafkaGo(servers, topic string, all []order, murmur2 bool) {
	w := &kafka.Writer{
		Addr:     kafka.TCP(servers),
		Topic:    topic,
		Balancer: &kafka.LeastBytes{},
	}
	if murmur2 {
		w.Balancer = kafka.Murmur2Balancer{}
	}
	var messages []kafka.Message
	for _, one := range all {
		messages = append(messages, kafka.Message{Key: []byte(one.key), Value: []byte(one.value)})
	}
	check(w.WriteMessages(ctx, messages...))
	check(w.Close())
}

// --- consume: a loop that takes the next order, and handles it ----------------------------------

func consumeFranz(servers, topic, group, stuckAt string, ranged bool) {
	options := []kgo.Opt{
		kgo.SeedBrokers(servers),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.SessionTimeout(patience), kgo.HeartbeatInterval(patience / 10),
	}
	if ranged {
		options = append(options, kgo.Balancers(kgo.RangeBalancer()))
	}
	client, err := kgo.NewClient(options...)
	check(err)
	for {
		fetches := client.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			fmt.Println("error", failed.Err)
		}
		fetches.EachRecord(func(record *kgo.Record) { handle(string(record.Value), stuckAt) })
	}
}

func consumeKafkaGo(servers, topic, group, stuckAt string) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{servers},
		GroupID: group,
		Topic:   topic,

		SessionTimeout: patience, HeartbeatInterval: patience / 10, MaxWait: patience / 10,
	})
	for {
		m, err := r.ReadMessage(ctx)
		check(err)
		handle(string(m.Value), stuckAt)
	}
}

func handle(value, stuckAt string) {
	if value == stuckAt {
		fmt.Println("stuck")
		select {} // a handler that does not come back; the client's own threads live on
	}
	fmt.Println("handled", value, 0)
}

// --- send through a broker's death --------------------------------------------------------------

func throughFranz(servers, topic string) {
	plain := kgo.ProducerBatchCompression(kgo.NoCompression())
	client, err := kgo.NewClient(kgo.SeedBrokers(servers), kgo.DefaultProduceTopic(topic), plain)
	check(err)
	check(client.ProduceSync(ctx, kgo.StringRecord("0")).FirstErr())
	pause()
	var records []*kgo.Record
	for number := 1; number <= orders; number++ {
		records = append(records, kgo.StringRecord(strconv.Itoa(number)))
	}
	for _, result := range client.ProduceSync(ctx, records...) {
		tell(string(result.Record.Value), result.Err)
	}
	fmt.Println("done")
}

func throughKafkaGo(servers, topic string, all bool) {
	w := &kafka.Writer{Addr: kafka.TCP(servers), Topic: topic}
	if all {
		w.RequiredAcks = kafka.RequireAll
		w.MaxAttempts = restart
	}
	check(w.WriteMessages(ctx, kafka.Message{Value: []byte("0")}))
	pause()
	var messages []kafka.Message
	for number := 1; number <= orders; number++ {
		messages = append(messages, kafka.Message{Value: []byte(strconv.Itoa(number))})
	}
	err := w.WriteMessages(ctx, messages...)
	for index, message := range messages {
		if errors, some := err.(kafka.WriteErrors); some {
			tell(string(message.Value), errors[index])
		} else {
			tell(string(message.Value), err)
		}
	}
	fmt.Println("done")
}

func tell(value string, err error) {
	if err == nil {
		fmt.Println("acknowledged", value, 0)
	} else {
		fmt.Println("failed", value, 0, err)
	}
}

func pause() {
	resumed := make(chan os.Signal, 1)
	signal.Notify(resumed, syscall.SIGCONT)
	fmt.Println("paused")
	check(syscall.Kill(os.Getpid(), syscall.SIGSTOP))
	<-resumed // this thread may get on for a moment before all threads are stopped
}

// --- defaults: asked of the clients themselves --------------------------------------------------

func defaults() {
	client, err := kgo.NewClient(kgo.ConsumerGroup("any"), kgo.ConsumeTopics("any"))
	check(err)
	defer client.Close()
	acks := client.OptValue(kgo.RequiredAcks)
	say("franz-go", "acks", reflect.ValueOf(acks).FieldByName("val"))
	say("franz-go", "idempotent", !client.OptValue(kgo.DisableIdempotentWrite).(bool))
	say("franz-go", "waits (ms)", client.OptValue(kgo.ProducerLinger).(time.Duration).Milliseconds())
	var names []string
	for _, balancer := range client.OptValue(kgo.Balancers).([]kgo.GroupBalancer) {
		names = append(names, balancer.ProtocolName())
	}
	say("franz-go", "assignors", strings.Join(names, ", "))
	say("franz-go", "commits every (s)", client.OptValue(kgo.AutoCommitInterval).(time.Duration).Seconds())

	w := &kafka.Writer{}
	say("kafka-go", "acks", int(w.RequiredAcks))
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{"127.0.0.1:1"}, GroupID: "any", Topic: "any"})
	names = nil
	for _, balancer := range r.Config().GroupBalancers {
		names = append(names, balancer.ProtocolName())
	}
	say("kafka-go", "assignors", strings.Join(names, ", "))
	say("kafka-go", "commits every (s)", r.Config().CommitInterval.Seconds())
}

func say(client, setting string, value any) { fmt.Printf("%s\t%s\t%v\n", client, setting, value) }

// --- the rest -----------------------------------------------------------------------------------

func input() (all []order) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "\t")
		all = append(all, order{key, value})
	}
	return all
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
